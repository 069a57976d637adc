namespace LmKit.Benchmarks.Ratios;

/// <summary>Measures cases, each in processes of its own, and prints a line for each figure.</summary>
internal sealed class CaseRun(RatioOptions options, TextWriter output, TextWriter errors)
{
    private readonly List<RatioResult> times = [];
    private readonly List<MemoryResult> memory = [];

    internal IReadOnlyList<RatioResult> Times => times;

    internal IReadOnlyList<MemoryResult> Memory => memory;

    /// <summary>Whether a case gave no figure.</summary>
    internal bool HasFailed { get; private set; }

    /// <summary>Its row with the default allocator and, where there is one, a tuned one; null where it is skipped or fails.</summary>
    internal RatioRow? Measure(RatioCase one)
    {
        if (Environment.ProcessorCount < one.LeastProcessors)
        {
            output.WriteLine($"# {one.Name}: skipped, it needs {one.LeastProcessors} processors and this process has {Environment.ProcessorCount}");
            return null;
        }

        if (one.Hindrance?.Invoke() is { } hindrance)
        {
            output.WriteLine($"# {one.Name}: not run, {hindrance}");
            return null;
        }

        return Try(() =>
        {
            var plain = Time(one, isTuned: false);
            return RatioRow.Of(plain, AllocatorSettings.IsSupported && !one.IsFresh ? Time(one, isTuned: true) : null, Stamp());
        });
    }

    /// <summary>Its row; null where it fails.</summary>
    internal RatioRow? Measure(MemoryCase one) => Try(() =>
    {
        long Bytes(CaseQuantity side) => CaseProcess.Run<long>(new CaseOptions(one.Name, options.Threads ?? 0, side, false, ""), AllocatorSettings.GivesBack);
        memory.Add(new MemoryResult(one.Name, Bytes(CaseQuantity.BaselineMemory), Bytes(CaseQuantity.OurMemory), one.Target));
        output.WriteLine(memory[^1].ToLine());
        return RatioRow.Of(memory[^1], Stamp());
    });

    private RatioResult Time(RatioCase one, bool isTuned)
    {
        var results = Enumerable.Range(0, options.Processes).Select(process => CaseProcess.Run<RatioResult>(
            new CaseOptions(one.Name, options.Threads ?? 0, CaseQuantity.Time, isTuned, ""),
            isTuned ? AllocatorSettings.Tuned(process) : one.IsFresh && AllocatorSettings.IsSupported ? AllocatorSettings.GivesBack : AllocatorSettings.Default));
        times.Add(RatioResult.LeastFavourable([.. results]));
        output.WriteLine(times[^1].ToLine());
        return times[^1];
    }

    private static string Stamp() => FormattableString.Invariant($"{DateTime.UtcNow:yyyy-MM-dd}, load {LoadAverage.Now().Split(' ')[0]}");

    private RatioRow? Try(Func<RatioRow> measure)
    {
        try
        {
            return measure();
        }
        catch (CaseFailedException problem)
        {
            errors.WriteLine(problem.Message);
            HasFailed = true;
            return null;
        }
    }
}
