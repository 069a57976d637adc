using TorchSharp;

namespace LmKit.Benchmarks.Ratios;

/// <summary>The verb `ratios`: every case in processes of its own, with the default allocator and a tuned one; then peak memory.</summary>
internal static class RatioCommand
{
    private const int failed = 1;
    private const int misused = 2;

    /// <summary>Returns 0 when every case ran, whether its target was met or not; 1 when two sides disagree, a case's process
    /// fails or, with a gate, a ratio is below its floor; 2 for a bad command line or file.</summary>
    internal static int Run(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors)
    {
        try
        {
            return Run(RatioOptions.Parse(arguments), output, errors);
        }
        catch (ArgumentException problem)
        {
            errors.WriteLine(problem.Message);
            return misused;
        }
    }

    private static int Run(RatioOptions options, TextWriter output, TextWriter errors)
    {
        if (AllocatorSettings.AlreadySet() is { Count: > 0 } set)
            throw new ArgumentException($"{string.Join(", ", set)} is set, so the run with the default allocator would not be one; unset it.");

        var (cases, memoryCases) = (RatioCaseList.Select(RatioCaseList.All, options.Filters), MemoryCaseList.Select(options.Filters));
        foreach (var filter in options.Filters.Where(filter => !cases.Select(one => one.Name).Concat(memoryCases.Select(one => one.Name)).Any(name => RatioCaseList.Matches(name, filter))))
            throw new ArgumentException($"--filter '{filter}' matches no case; there are: {string.Join("; ", RatioCaseList.Names)}.");

        var gate = options.Gate is null ? null : RatioGate.Read(options.Gate).Only(options.Filters);
        var table = options.Table is null ? null : RatioTable.Open(options.Table);
        LibTorch.EnsureLoaded();
        var threads = options.Threads ?? torch.get_num_threads();
        output.WriteLine($"# {threads} thread(s), {options.Processes} process(es) a case and allocator, load average {LoadAverage.Now()}");
        if (gate is not null)
            return gate.Hold(one => CaseProcess.Run<RatioResult>(new CaseOptions(one, options.Threads ?? 0, CaseQuantity.Time, false, ""), AllocatorSettings.Default), output, errors) ? 0 : failed;

        table?.Require(RatioReport.Machine(threads));
        return Measure(options, options.Share(cases), AllocatorSettings.IsSupported ? options.Share(memoryCases) : [], threads, table, new CaseRun(options, output, errors), errors);
    }

    private static int Measure(RatioOptions options, IReadOnlyList<RatioCase> cases, IReadOnlyList<MemoryCase> memoryCases, int threads, RatioTable? table, CaseRun run, TextWriter errors)
    {
        var load = LoadAverage.Now();
        foreach (var measure in cases.Select(one => (Func<RatioRow?>)(() => run.Measure(one))).Concat(memoryCases.Select(one => (Func<RatioRow?>)(() => run.Measure(one)))))
        {
            // Written after each case: a run that is stopped keeps what it measured.
            if (measure() is { } row)
                table?.Put(row, RatioCaseList.Names);
        }

        if (options.Json is not null)
            RatioReport.Of(run.Times, run.Memory, $"{load} to {LoadAverage.Now()}", threads).Write(options.Json);

        if (run.HasFailed && table is not null)
            errors.WriteLine("--out: the rows of the cases that failed are left as they were.");

        return run.HasFailed ? failed : 0;
    }
}
