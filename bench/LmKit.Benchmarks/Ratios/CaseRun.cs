namespace LmKit.Benchmarks.Ratios;

/// <summary>Measures cases one after another, each in processes of its own, and prints a line for each.</summary>
internal sealed class CaseRun(RatioOptions options, int threads, TextWriter output, TextWriter errors)
{
    private readonly List<RatioResult> _times = [];
    private readonly List<MemoryResult> _memory = [];

    public IReadOnlyList<RatioResult> Times => _times;

    public IReadOnlyList<MemoryResult> Memory => _memory;

    /// <summary>Whether a case gave no figure.</summary>
    public bool HasFailed { get; private set; }

    public void MeasureTimes(IReadOnlyList<RatioCase> cases, bool isTuned)
    {
        if (cases.Count == 0)
        {
            return;
        }

        output.WriteLine($"# {(isTuned ? "tuned" : "default")} allocator, {threads} thread(s), {options.Processes} process(es) a case, load average {LoadAverage.Now()}");
        foreach (var one in cases)
        {
            if (Environment.ProcessorCount < one.LeastProcessors)
            {
                output.WriteLine($"# {one.Name}: skipped, it needs {one.LeastProcessors} processors and this process has {Environment.ProcessorCount}");
                continue;
            }

            if (one.Hindrance?.Invoke() is { } hindrance)
            {
                output.WriteLine($"# {one.Name}: not run, {hindrance}");
                continue;
            }

            Try(() =>
            {
                var results = Enumerable.Range(0, options.Processes).Select(process => CaseProcess.Run<RatioResult>(
                    new CaseOptions(one.Name, options.Threads ?? 0, CaseQuantity.Time, isTuned, ""),
                    isTuned ? AllocatorSettings.Tuned(process) : AllocatorSettings.Default));
                _times.Add(RatioResult.LeastFavourable([.. results]));
                output.WriteLine(_times[^1].ToLine());
            });
        }

        output.WriteLine($"# load average after {LoadAverage.Now()}");
    }

    public void MeasureMemory(IReadOnlyList<MemoryCase> cases)
    {
        foreach (var one in cases)
        {
            Try(() =>
            {
                long Bytes(CaseQuantity side) => CaseProcess.Run<long>(new CaseOptions(one.Name, options.Threads ?? 0, side, false, ""), AllocatorSettings.GivesBack);
                _memory.Add(new MemoryResult(one.Name, Bytes(CaseQuantity.BaselineMemory), Bytes(CaseQuantity.OurMemory), one.Target));
                output.WriteLine(_memory[^1].ToLine());
            });
        }
    }

    private void Try(Action measure)
    {
        try
        {
            measure();
        }
        catch (CaseFailedException problem)
        {
            errors.WriteLine(problem.Message);
            HasFailed = true;
        }
    }
}
