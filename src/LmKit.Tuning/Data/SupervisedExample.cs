namespace LmKit;

/// <summary>One training example: its tokens, and which of them are learned.</summary>
/// <param name="Tokens">Token ids.</param>
/// <param name="Targets">For each token whether predicting it counts in the loss.</param>
/// <exception cref="ArgumentException">The two differ in length.</exception>
public sealed record SupervisedExample(IReadOnlyList<int> Tokens, IReadOnlyList<bool> Targets)
{
    /// <summary>Token ids.</summary>
    public IReadOnlyList<int> Tokens { get; } = Tokens ?? throw new ArgumentNullException(nameof(Tokens));

    /// <summary>For each token whether predicting it counts in the loss.</summary>
    public IReadOnlyList<bool> Targets { get; } = Checked(Tokens, Targets);

    /// <summary>How many tokens can count: the first never does, nothing precedes it.</summary>
    public int TargetCount => Targets.Skip(1).Count(isTarget => isTarget);

    private static IReadOnlyList<bool> Checked(IReadOnlyList<int> tokens, IReadOnlyList<bool> targets)
    {
        ArgumentNullException.ThrowIfNull(targets);
        return targets.Count == tokens.Count
            ? targets
            : throw new ArgumentException($"An example has {tokens.Count} tokens and {targets.Count} targets; it needs one target for each token.", nameof(targets));
    }
}
