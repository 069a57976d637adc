namespace LmKit;

/// <summary>What a data set will probably cost.</summary>
/// <param name="Documents">Documents that would reach the teacher.</param>
/// <param name="InputTokens">Tokens that it would read, in all.</param>
/// <param name="OutputTokens">Tokens that it would write, in all, taken as those of the removed halves.</param>
/// <param name="Cost">The expected cost.</param>
/// <param name="Low">Lower end of the 95 % interval, from the spread between documents.</param>
/// <param name="High">Its upper end.</param>
public sealed record CostEstimate(long Documents, double InputTokens, double OutputTokens, double Cost, double Low, double High);
