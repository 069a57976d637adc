namespace LmKit;

/// <summary>What a measurement of perplexity found.</summary>
/// <param name="Loss">The mean loss of a token in nats.</param>
public sealed record PerplexityResult(Estimate Loss)
{
    /// <summary>The perplexity, exp of the mean loss.</summary>
    public Estimate Perplexity => Loss.Exponential();

    /// <summary>UTF-8 bytes of the texts; null where only their tokens were given.</summary>
    public long? ByteCount { get; init; }

    /// <summary>Bits for each byte of the texts, of which a first token that was not scored has none; null where only tokens were given.</summary>
    public Estimate? BitsPerByte => ByteCount is > 0 and var bytes ? Loss.Scaled(Loss.TokenCount / (Math.Log(2) * bytes)) : null;

    /// <summary>The mean loss by position: how many tokens the model had read of the window, or read as a stream of the text.</summary>
    public IReadOnlyList<PositionLoss> Positions { get; init; } = [];

    /// <summary>Sum and count of the losses of each window (read as a stream, of each piece), for a paired comparison.</summary>
    public IReadOnlyList<(double Sum, long Count)> Units { get; init; } = [];
}

/// <summary>The mean loss of the tokens at some positions.</summary>
/// <param name="From">The first position.</param>
/// <param name="Width">How many positions.</param>
/// <param name="Loss">The mean loss in nats.</param>
/// <param name="Count">How many tokens were scored there.</param>
public sealed record PositionLoss(long From, long Width, double Loss, long Count);
