using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>What a run made.</summary>
/// <param name="Counts">Documents by status, and by the rule that dropped them (status:reason).</param>
/// <param name="InputTokens">Tokens that the teacher read.</param>
/// <param name="OutputTokens">Tokens that the teacher wrote.</param>
/// <param name="Cost">What all documents were charged at the prices that the options state, the detector's requests among it; tokens are counted
/// by us where a client gives no count.</param>
/// <param name="Files">The data set: one record a line, in order.</param>
/// <param name="IsBudgetExhausted">Whether documents were left for want of budget; a run with more of it goes on.</param>
public sealed record DatasetReport(
    IReadOnlyDictionary<string, long> Counts,
    long InputTokens,
    long OutputTokens,
    double Cost,
    [property: JsonIgnore] IReadOnlyList<string> Files,
    bool IsBudgetExhausted)
{
    // What a rule dropped for its size or for its being there twice says nothing about instructions.
    private static readonly string[] OtherReasons = ["filtered:too_short", "filtered:too_large", "filtered:duplicate", "filtered:duplicate_id"];

    /// <summary>Documents in the data set.</summary>
    public long KeptCount => Counts.GetValueOrDefault("ok");

    /// <summary>Kept documents that the detector took for instructions or conversations.</summary>
    public long FlaggedCount { get; init; }

    /// <summary>Kept documents of which the detector gave no answer that can be read.</summary>
    public long UndetectedCount { get; init; }

    /// <summary>Share of the documents that a rule against instructions and chat dropped.</summary>
    public double DroppedShare => Share(Counts.Where(pair => pair.Key.StartsWith("filtered:", StringComparison.Ordinal) && !OtherReasons.Contains(pair.Key)).Sum(pair => pair.Value), Counts.Values.Sum());

    /// <summary>Share of the kept documents that the detector flagged.</summary>
    public double FlaggedShare => Share(FlaggedCount, KeptCount);

    /// <summary>The first file.</summary>
    [JsonIgnore]
    public string DataFile => Files[0];

    private static double Share(long part, long whole) => whole == 0 ? 0 : (double)part / whole;
}
