namespace LmKit;

/// <summary>What a run made.</summary>
/// <param name="Counts">Documents by status, and by the rule that dropped them (status:reason).</param>
/// <param name="InputTokens">Tokens that the teacher read.</param>
/// <param name="OutputTokens">Tokens that the teacher wrote.</param>
/// <param name="DataFile">The data set: one record a line, in the source's order.</param>
public sealed record DatasetReport(IReadOnlyDictionary<string, long> Counts, long InputTokens, long OutputTokens, string DataFile);
