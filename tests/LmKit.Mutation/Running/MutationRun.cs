using System.Diagnostics;

namespace LmKit.Mutation;

/// <summary>Runs the tests that reach a change against it, one change after the other.</summary>
internal sealed class MutationRun(WorkerClient worker, TextWriter log, TimeSpan most)
{
    private readonly Stopwatch clock = Stopwatch.StartNew();

    /// <summary>What became of each change; those for which the time did not last are left out.</summary>
    /// <param name="mutants">The changes.</param>
    /// <param name="classes">Parts of the names of the tests to run; null for all.</param>
    internal IEnumerable<(Mutant Mutant, string Outcome, string? Test)> Run(IReadOnlyList<Mutant> mutants, string[]? classes)
    {
        var tests = worker.Cover(classes);
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
            var test = Array.Find(reaching, test => Sees(mutant.Id, test));
            var outcome = test is not null ? MutantResult.Seen : reaching.Length > 0 ? MutantResult.Survived : MutantResult.Unreached;
            log.WriteLine($"{++done}/{mutants.Count} {clock.Elapsed.TotalMinutes:0.0} min {outcome}: {mutant.Text}{(test is null ? "" : $" ({test.Name})")}");
            yield return (mutant, outcome, test?.Name);
        }
    }

    // A test sees a change when it fails with it, twice, and passes without it in the same process; or does so in fresh ones.
    private bool Sees(int id, TestMethod test)
    {
        if (worker.Run(id, test) is null)
            return false;
        if (worker.Run(-1, test) is null && worker.Run(id, test) is not null)
            return true;
        worker.Stop();
        var fails = worker.Run(id, test) is not null;
        worker.Stop();
        return fails && worker.Run(-1, test) is null;
    }
}
