namespace LmKit.LongStream;

/// <summary>How a stream stands after one more bin of tokens.</summary>
/// <param name="Tokens">Tokens read so far.</param>
/// <param name="TotalTokens">Tokens that will be read.</param>
/// <param name="Loss">Mean loss of the bin's tokens, in nats.</param>
/// <param name="StateBytes">Bytes of the carried state's tensors.</param>
/// <param name="ResidentBytes">Resident memory of the process.</param>
/// <param name="Elapsed">Time since the first token.</param>
public sealed record StreamPoint(long Tokens, long TotalTokens, double Loss, long StateBytes, long ResidentBytes, TimeSpan Elapsed)
{
    /// <summary>exp of the loss.</summary>
    public double Perplexity => Math.Exp(Loss);

    /// <summary>Tokens a second since the beginning.</summary>
    public double TokensPerSecond => Tokens / Math.Max(1e-9, Elapsed.TotalSeconds);

    /// <summary>Whether nothing is left to read.</summary>
    public bool IsLast => Tokens >= TotalTokens;
}
