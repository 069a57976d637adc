using System.Diagnostics;

namespace LmKit.Mutation;

/// <summary>Runs the tests that reach a change against it, one change after the other.</summary>
internal sealed class MutationRun(WorkerClient worker, TextWriter log, TimeSpan most)
{
    private const double QuickSeconds = 5;
    private readonly Stopwatch clock = Stopwatch.StartNew();

    /// <summary>Parts of the names of tests that are new: a change that older tests did not see meets these alone. Null for all.</summary>
    internal string[]? NewTests { get; init; }

    /// <summary>What became of each change; those for which the time did not last are left out.</summary>
    /// <param name="mutants">The changes.</param>
    /// <param name="wasTried">Whether the older tests have met a change.</param>
    internal IEnumerable<(Mutant Mutant, string Outcome, string? Test)> Run(IReadOnlyList<Mutant> mutants, Func<Mutant, bool> wasTried)
    {
        var tests = worker.Cover();
        log.WriteLine($"{tests.Count} test methods, {tests.Sum(test => test.Seconds):0} s; {mutants.Count} changes, of which {mutants.Count(mutant => tests.Any(test => test.Reached.Contains(mutant.Id)))} are reached");
        var done = 0;
        foreach (var mutant in mutants)
        {
            if (clock.Elapsed > most)
            {
                log.WriteLine($"The time is over; {mutants.Count - done} changes were not tried.");
                yield break;
            }
            var stem = Path.GetFileNameWithoutExtension(mutant.Path);
            TestMethod[] reaching = [.. tests.Where(test => test.Reached.Contains(mutant.Id)).OrderByDescending(test => test.Name.Contains(stem + "Tests", StringComparison.Ordinal)).ThenBy(test => test.Seconds)];
            var chosen = NewTests is not null && wasTried(mutant) ? reaching.Where(test => NewTests.Any(part => test.Name.Contains(part, StringComparison.Ordinal))) : reaching;
            var test = chosen.FirstOrDefault(test => Sees(mutant.Id, test));
            var outcome = test is not null ? MutantResult.Seen : reaching.Length > 0 ? MutantResult.Survived : MutantResult.Unreached;
            log.WriteLine($"{++done}/{mutants.Count} {clock.Elapsed.TotalMinutes:0.0} min {outcome}: {mutant.Text}{(test is null ? "" : $" ({test.Name})")}");
            yield return (mutant, outcome, test?.Name);
        }
    }

    // A test sees a change when it fails with it and passes without it in the same process, or does so in fresh ones; one that took long
    // must fail again, since a busy machine may be at fault.
    private bool Sees(int id, TestMethod test)
    {
        var watch = Stopwatch.StartNew();
        if (worker.Run(id, test) is null)
            return false;
        var isQuick = watch.Elapsed.TotalSeconds < QuickSeconds;
        if (worker.Run(-1, test) is null && (isQuick || worker.Run(id, test) is not null))
            return true;
        worker.Stop();
        var fails = worker.Run(id, test) is not null;
        worker.Stop();
        return fails && worker.Run(-1, test) is null;
    }
}
