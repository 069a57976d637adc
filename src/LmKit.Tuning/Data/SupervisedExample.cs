namespace LmKit;

/// <summary>One training example: its tokens, and which of them are learned.</summary>
/// <param name="Tokens">Token ids.</param>
/// <param name="Targets">For each token whether predicting it counts in the loss.</param>
public sealed record SupervisedExample(IReadOnlyList<int> Tokens, IReadOnlyList<bool> Targets)
{
    /// <summary>How many tokens can count: the first never does, nothing precedes it.</summary>
    public int TargetCount => Targets.Skip(1).Count(isTarget => isTarget);
}
