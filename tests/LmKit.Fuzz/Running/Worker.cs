using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using TorchSharp;

namespace LmKit.Fuzz;

/// <summary>The child process: reads orders from its input, a line each, and answers each with lines that begin with @.</summary>
/// <remarks>Orders are <c>fuzz TARGET SEED FIRST MILLISECONDS</c> and <c>case TARGET CASE FOLDER</c>, separated by tabs.</remarks>
internal sealed class Worker : IDisposable
{
    private readonly Func<string, FuzzTarget> targets;
    private readonly Progress progress;
    private readonly string folder;
    private readonly TextWriter answers;
    private string warm = "";

    private Worker(string scratch, Func<string, FuzzTarget> targets, TextWriter answers)
    {
        this.targets = targets;
        this.answers = answers;
        progress = Progress.Open(Path.Combine(scratch, WorkerProcess.ProgressName));
        folder = Path.Combine(scratch, "case");
        progress.Index = -1;
    }

    internal static int Run(string scratch, int parent, Func<string, FuzzTarget> targets)
    {
        EndWith(parent);
        torch.set_num_threads(1);
        using var answers = new StreamWriter(Console.OpenStandardOutput()) { AutoFlush = true };
        Console.SetOut(TextWriter.Null); // nothing but answers goes to the parent
        using var worker = new Worker(scratch, targets, answers);
        answers.WriteLine("@ready");
        while (Console.In.ReadLine() is { } order)
        {
            var words = order.Split('\t');
            if (words[0] == "fuzz")
                worker.Fuzz(targets(words[1]), Number(words[2]), Number(words[3]), Number(words[4]));
            else
                worker.Case(targets(words[1]), words[2], words[3]);
        }
        return 0;
    }

    public void Dispose() => progress.Dispose();

    // A reader that finds no end must not outlive the run that watches it.
    private static void EndWith(int parent) => new Thread(() =>
    {
        while (Scratch.IsRunning(parent))
            Thread.Sleep(1000);
        Environment.FailFast("The run that this worker belongs to has ended.");
    })
    { IsBackground = true }.Start();

    private void Fuzz(FuzzTarget target, long seed, long first, long milliseconds)
    {
        var seeds = CorpusStore.Seeds(target);
        WarmUp(target, seeds);
        var clock = Stopwatch.StartNew();
        var index = first;
        for (; clock.ElapsedMilliseconds < milliseconds; index++)
        {
            var made = CaseFiles.Make(target, seeds, seed, index);
            made.WriteTo(folder);
            var reading = Read(target, made.Seed, made.Bytes, index);
            progress.Add(reading.Outcome);
            if (reading.Outcome is not (Outcome.Accepted or Outcome.Refused))
                Answer("event", new WorkerEvent(index, reading));
        }
        answers.WriteLine("@done\t" + index.ToString(CultureInfo.InvariantCulture));
    }

    private void Case(FuzzTarget target, string seed, string from)
    {
        if (warm != $"{target.Name}/{seed}")
            WarmUp(target, [.. CorpusStore.Seeds(target).Where(valid => valid.Seed == seed)]);
        warm = $"{target.Name}/{seed}";
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        var made = CaseFiles.Of(seed, from);
        made.WriteTo(folder);
        Answer("event", new WorkerEvent(0, Read(target, seed, made.Bytes, 0)));
        answers.WriteLine("@done\t1");
    }

    private CaseReading Read(FuzzTarget target, string seed, long bytes, long index)
    {
        progress.Started = Environment.CpuUsage.TotalTime.Ticks;
        progress.StartedAt = DateTime.UtcNow.Ticks;
        progress.MostMemory = Environment.WorkingSet + ReadLimits.MostMemory + ReadLimits.Memory(bytes);
        progress.Index = index;
        var reading = CaseReading.Of(target, folder, seed, bytes);
        progress.Index = -1;
        return reading;
    }

    // Valid files first: what the first call of a reader costs is not the file's fault.
    private void WarmUp(FuzzTarget target, IReadOnlyList<CaseFiles> seeds)
    {
        foreach (var seed in seeds)
        {
            seed.WriteTo(folder);
            _ = CaseReading.Of(target, folder, seed.Seed, seed.Bytes);
        }
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }

    private void Answer(string kind, WorkerEvent answer) => answers.WriteLine($"@{kind}\t{JsonSerializer.Serialize(answer)}");

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
