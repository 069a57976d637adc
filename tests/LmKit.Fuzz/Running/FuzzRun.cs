using System.Collections.Concurrent;
using System.Diagnostics;

namespace LmKit.Fuzz;

/// <summary>Damages the corpus for a while and counts what the readers make of it.</summary>
internal sealed class FuzzRun(TextWriter log)
{
    private const int KeptOfAKind = 3;
    private readonly ConcurrentDictionary<string, int> kept = new(StringComparer.Ordinal);

    /// <summary>Divides the time among the targets, runs them in as many workers as there are processors, and prints the table.</summary>
    /// <returns>Whether every case was accepted, or refused by name.</returns>
    internal bool Run(IReadOnlyList<FuzzTarget> targets, TimeSpan time, long seed)
    {
        var workers = Math.Clamp(Environment.ProcessorCount, 1, Math.Min(8, targets.Count));
        var (waiting, results, clock) = (new ConcurrentQueue<FuzzTarget>(targets), new ConcurrentBag<FuzzCounts>(), Stopwatch.StartNew());
        var least = time * workers / targets.Count / 2;
        Parallel.For(0, workers, new ParallelOptions { MaxDegreeOfParallelism = workers }, _ =>
        {
            using var worker = new WorkerProcess();
            while (waiting.TryDequeue(out var target))
            {
                // What one target does not use is left to those that wait.
                var share = (time - clock.Elapsed) * workers / Math.Max(1, waiting.Count + workers);
                results.Add(Run(worker, target, seed, share > least ? share : least));
            }
        });
        FuzzCounts[] ordered = [.. targets.Select(target => results.Single(counts => counts.Target == target.Name))];
        log.WriteLine($"seed {seed}, {clock.Elapsed.TotalSeconds:0} s, {workers} workers");
        log.WriteLine(FuzzCounts.Heading);
        foreach (var counts in ordered.Append(FuzzCounts.Sum(ordered)))
            log.WriteLine(counts);
        return ordered.All(counts => counts.IsClean);
    }

    private FuzzCounts Run(WorkerProcess worker, FuzzTarget target, long seed, TimeSpan time)
    {
        var (counts, events) = worker.Fuzz(target.Name, seed, time);
        var numbers = counts.Counts.ToArray();
        var seeds = CorpusStore.Seeds(target);
        foreach (var found in events)
        {
            var reading = found.Reading;
            if (reading.Outcome is Outcome.Hang or Outcome.Memory && found.Index >= 0)
            {
                // A busy machine or an earlier case may be at fault: it counts if it happens again, alone.
                reading = Again(target, seeds, seed, found.Index);
                numbers[(int)found.Reading.Outcome]--;
                numbers[(int)reading.Outcome]++;
            }
            if (reading.Outcome is not (Outcome.Accepted or Outcome.Refused))
                Keep(target, seeds, seed, found.Index, reading);
        }
        return counts with { Counts = numbers };
    }

    private static CaseReading Again(FuzzTarget target, IReadOnlyList<CaseFiles> seeds, long seed, long index)
    {
        var folder = Scratch.Make();
        try
        {
            var made = CaseFiles.Make(target, seeds, seed, index);
            made.WriteTo(folder);
            using var worker = new WorkerProcess();
            return worker.Case(target.Name, made.Seed, folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // The first few of each kind, with what is needed to try them again.
    private void Keep(FuzzTarget target, IReadOnlyList<CaseFiles> seeds, long seed, long index, CaseReading reading)
    {
        var kind = $"{target.Name}-{reading.Outcome}{(reading.Fault.Length > 0 ? "-" + reading.Fault : "")}";
        if (kept.AddOrUpdate(kind, 1, (_, count) => count + 1) > KeptOfAKind)
            return;
        if (index < 0)
        {
            log.WriteLine($"{kind}: outside any case: {reading.Message}");
            return;
        }
        var folder = Path.Combine(CorpusStore.Repository, "artifacts", "fuzz", $"{kind}-{seed}-{index}");
        var made = CaseFiles.Make(target, seeds, seed, index);
        made.WriteTo(folder);
        var message = reading.Message.Length > 300 ? reading.Message[..300] + "..." : reading.Message;
        File.WriteAllText(folder + ".txt", $"target {target.Name}, valid case {made.Seed}, seed {seed}, case {index}\n{reading.Outcome} {reading.Fault} {reading.ProcessorTime.TotalSeconds:0.00} s {reading.PeakBytes >> 20} MiB\n{reading.Message}\n");
        log.WriteLine($"{kind}: case {index} of '{made.Seed}', {reading.ProcessorTime.TotalSeconds:0.0} s, {reading.PeakBytes >> 20} MiB: {message.ReplaceLineEndings(" ")}");
    }
}
