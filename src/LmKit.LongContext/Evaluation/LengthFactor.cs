namespace LmKit;

/// <summary>What can be out of the trained range when a text is longer than the trained ones (Han et al. 2024, section 3).</summary>
public enum LengthFactor
{
    /// <summary>Distances between tokens that training never showed.</summary>
    UnseenDistances,

    /// <summary>More tokens in a softmax than in training, which spreads its weight thin.</summary>
    AttendedCount,

    /// <summary>The text's first tokens, which a window that slides loses.</summary>
    MissingStarts,
}

/// <summary>What a factor costs a model.</summary>
/// <param name="Factor">The factor.</param>
/// <param name="Cost">Nats a token that it adds in the last bucket, with the error of paired pieces.</param>
/// <param name="Worse">The policy that has the factor.</param>
/// <param name="Better">The one that differs by not having it.</param>
/// <param name="Fails">Whether the cost is beyond the margin and two standard errors.</param>
/// <param name="Sentence">The figures behind it, in words.</param>
public sealed record FactorFinding(LengthFactor Factor, Estimate Cost, LengthPolicy Worse, LengthPolicy Better, bool Fails, string Sentence);

/// <summary>What was read under a policy.</summary>
/// <param name="Policy">The policy.</param>
/// <param name="Losses">Loss by position.</param>
/// <param name="Attention">What attention did, by layer and bucket; empty where it was not read.</param>
public sealed record PolicyReading(LengthPolicy Policy, LengthLosses Losses, IReadOnlyList<AttentionFigures> Attention);
