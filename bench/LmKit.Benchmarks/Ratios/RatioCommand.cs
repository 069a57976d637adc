using TorchSharp;

namespace LmKit.Benchmarks.Ratios;

/// <summary>The verb `ratios`: every case with the default allocator, then again in a process with a tuned one.</summary>
internal static class RatioCommand
{
    private const int _disagreed = 1;
    private const int _misused = 2;

    /// <summary>Returns 0 when every case ran, whether its target was met or not; 1 when two sides disagree; 2 for a bad command line.</summary>
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
        if (!options.IsTuned && TunedAllocator.AlreadySet() is { Count: > 0 } set)
        {
            throw new ArgumentException($"{string.Join(", ", set)} is set, so the run with the default allocator would not be one; unset it.");
        }

        var cases = RatioCaseList.Select(RatioCaseList.All, options.Filter);
        if (options.Filter is not null && cases.Count == 0)
        {
            throw new ArgumentException($"--filter '{options.Filter}' matches no case; there are: {string.Join("; ", RatioCaseList.All.Select(one => one.Name))}.");
        }

        LibTorch.EnsureLoaded();
        if (options.Threads is { } threads)
        {
            torch.set_num_threads(threads);
        }

        var load = LoadAverage.Now();
        output.WriteLine($"# {(options.IsTuned ? "tuned" : "default")} allocator, {torch.get_num_threads()} thread(s), load average {load}");
        var results = new List<RatioResult>();
        var code = Measure(cases, options.IsTuned, results, output, errors);
        output.WriteLine($"# load average after {LoadAverage.Now()}");
        var report = RatioReport.Of(results, load, torch.get_num_threads());
        if (!options.IsTuned && TunedAllocator.IsSupported)
        {
            var json = Path.GetTempFileName();
            code = Math.Max(code, TunedAllocator.Run(options with { Json = json }, output, errors));
            report = new FileInfo(json).Length > 0 ? report.Joined(RatioReport.Read(json)) : report;
            File.Delete(json);
        }

        if (options.Json is not null)
        {
            report.Write(options.Json);
        }

        return code;
    }

    private static int Measure(IEnumerable<RatioCase> cases, bool isTuned, List<RatioResult> results, TextWriter output, TextWriter errors)
    {
        var code = 0;
        foreach (var one in cases)
        {
            try
            {
                results.Add(RatioMeasurement.Run(one, isTuned));
                output.WriteLine(results[^1].ToLine());
            }
            catch (RatioDisagreementException problem)
            {
                errors.WriteLine(problem.Message);
                code = _disagreed;
            }
        }

        return code;
    }
}
