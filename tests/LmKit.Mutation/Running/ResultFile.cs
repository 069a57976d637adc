using System.Globalization;
using System.Text.Json;

namespace LmKit.Mutation;

/// <summary>The results of a seed, kept between runs so that what was not seen can be tried again.</summary>
internal sealed class ResultFile
{
    private static readonly JsonSerializerOptions json = new() { WriteIndented = true };

    private readonly Dictionary<string, MutantResult> results;
    private readonly HashSet<Mutant> own;
    private readonly HashSet<Mutant> named;

    /// <summary>The results of a sample, begun anew or gone on with.</summary>
    internal ResultFile(Sample sample, IReadOnlyList<Mutant> named, bool goesOn)
    {
        var kept = goesOn && File.Exists(Path(sample.Seed)) ? Stored(sample.Seed) : null;
        (Seed, Count, Minutes, Date) = (sample.Seed, sample.Count, kept?.Minutes ?? 0, kept?.Date ?? "");
        results = (kept?.Results ?? []).ToDictionary(result => result.Key);
        this.named = [.. named];
        own = [.. named, .. sample.Taken];
    }

    private ResultFile(Content content)
    {
        (Seed, Count, Minutes, Date) = (content.Seed, content.Count, content.Minutes, content.Date);
        results = content.Results.ToDictionary(result => result.Key);
        (named, own) = ([], []);
    }

    internal long Seed { get; }

    internal int Count { get; }

    internal string Date { get; private set; }

    internal double Minutes { get; private set; }

    internal IReadOnlyCollection<MutantResult> Results => results.Values;

    /// <summary>Changes that were not tried, or not seen when they were.</summary>
    internal IEnumerable<Mutant> Wanted => own.Where(mutant => results.GetValueOrDefault(mutant.Key)?.Last != MutantResult.Seen);

    internal static ResultFile Read(long seed) => File.Exists(Path(seed)) ? new(Stored(seed)) : throw new InvalidOperationException($"Seed {seed} was not run here: there is no {Path(seed)}.");

    /// <summary>Takes over what another sample's run has seen of the same changes.</summary>
    internal void Take(ResultFile other)
    {
        var keys = own.Select(mutant => mutant.Key).ToHashSet();
        foreach (var result in other.Results.Where(result => result.Last == MutantResult.Seen && keys.Contains(result.Key)).ToArray())
        {
            if (results.GetValueOrDefault(result.Key)?.Last != MutantResult.Seen)
                results[result.Key] = result;
        }
    }

    /// <summary>Whether a change was tried before.</summary>
    internal bool Has(Mutant mutant) => own.Contains(mutant) && results.ContainsKey(mutant.Key);

    /// <summary>Takes what became of a change, and writes the file.</summary>
    internal void Add(Mutant mutant, string outcome, string? test, TimeSpan time)
    {
        if (!own.Contains(mutant))
            return;
        var first = results.GetValueOrDefault(mutant.Key)?.First ?? outcome;
        results[mutant.Key] = new MutantResult(mutant.Text, mutant.Key, named.Contains(mutant), first, outcome, test);
        Minutes += time.TotalMinutes;
        Date = DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        File.WriteAllText(Path(Seed), JsonSerializer.Serialize(new Content(Seed, Count, Date, Minutes, [.. results.Values]), json));
    }

    private static Content Stored(long seed) => JsonSerializer.Deserialize<Content>(File.ReadAllText(Path(seed)))!;

    private static string Path(long seed) => System.IO.Path.Combine(Repository.Artifacts, $"results-{seed.ToString(CultureInfo.InvariantCulture)}.json");

    private sealed record Content(long Seed, int Count, string Date, double Minutes, MutantResult[] Results);
}
