namespace LmKit;

/// <summary>One training example: its tokens, and which of them are learned.</summary>
public sealed record SupervisedExample
{
    /// <summary>Makes an example.</summary>
    /// <param name="tokens">Token ids.</param>
    /// <param name="targets">For each token whether predicting it counts in the loss.</param>
    /// <exception cref="ArgumentException">The two differ in length.</exception>
    public SupervisedExample(IReadOnlyList<int> tokens, IReadOnlyList<bool> targets)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentNullException.ThrowIfNull(targets);
        if (tokens.Count != targets.Count)
            throw new ArgumentException($"An example has {tokens.Count} tokens and {targets.Count} targets; it needs one target for each token.", nameof(targets));
        (Tokens, Targets) = (tokens, targets);
    }

    /// <summary>Token ids.</summary>
    public IReadOnlyList<int> Tokens { get; }

    /// <summary>For each token whether predicting it counts in the loss.</summary>
    public IReadOnlyList<bool> Targets { get; }

    /// <summary>How many tokens can count: the first never does, nothing precedes it.</summary>
    public int TargetCount => Targets.Skip(1).Count(isTarget => isTarget);

    /// <summary>Takes the example apart.</summary>
    public void Deconstruct(out IReadOnlyList<int> tokens, out IReadOnlyList<bool> targets) => (tokens, targets) = (Tokens, Targets);
}
