using TorchSharp;

namespace LmKit.Benchmarks.Ratios;

/// <summary>The verb `ratios`: every case in processes of its own, with the default allocator and then with a tuned one; then peak memory.</summary>
internal static class RatioCommand
{
    private const int _failed = 1;
    private const int _misused = 2;

    /// <summary>Returns 0 when every case ran, whether its target was met or not; 1 when two sides disagree or a case's process
    /// fails; 2 for a bad command line.</summary>
    public static int Run(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors)
    {
        try
        {
            return Run(RatioOptions.Parse(arguments), output, errors);
        }
        catch (ArgumentException problem)
        {
            errors.WriteLine(problem.Message);
            return _misused;
        }
    }

    private static int Run(RatioOptions options, TextWriter output, TextWriter errors)
    {
        if (AllocatorSettings.AlreadySet() is { Count: > 0 } set)
        {
            throw new ArgumentException($"{string.Join(", ", set)} is set, so the run with the default allocator would not be one; unset it.");
        }

        var cases = RatioCaseList.Select(RatioCaseList.All, options.Filter);
        var memoryCases = MemoryCaseList.Select(options.Filter);
        if (options.Filter is not null && cases.Count + memoryCases.Count == 0)
        {
            var names = RatioCaseList.All.Select(one => one.Name).Concat(MemoryCaseList.All.Select(one => one.Name));
            throw new ArgumentException($"--filter '{options.Filter}' matches no case; there are: {string.Join("; ", names)}.");
        }

        var table = options.Table is null ? null : RatioTable.Open(options.Table);
        LibTorch.EnsureLoaded();
        var (load, threads) = (LoadAverage.Now(), options.Threads ?? torch.get_num_threads());
        var run = new CaseRun(options, threads, output, errors);
        run.MeasureTimes(cases, isTuned: false);
        if (AllocatorSettings.IsSupported)
        {
            run.MeasureTimes(cases, isTuned: true);
            run.MeasureMemory(memoryCases);
        }

        var report = RatioReport.Of(run.Times, run.Memory, $"{load} to {LoadAverage.Now()}", threads);
        if (options.Json is not null)
        {
            report.Write(options.Json);
        }

        return Finish(table, report, options.ToCommand(), run.HasFailed, errors);
    }

    /// <summary>Replaces the table, unless a case failed: rows would be missing from it. Returns the exit code.</summary>
    internal static int Finish(RatioTable? table, RatioReport report, string command, bool hasFailed, TextWriter errors)
    {
        if (!hasFailed)
        {
            table?.Write(report, command);
            return 0;
        }

        if (table is not null)
        {
            errors.WriteLine("--out: the table is left as it was, because a case gave no figure.");
        }

        return _failed;
    }
}
