using TorchSharp;
using static TorchSharp.torch;

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

/// <summary>Rows of examples as tensors.</summary>
/// <param name="Tokens">(B, L) int64; 0 at padding.</param>
/// <param name="Segments">(B, L) int64: which example of the row, -1 at padding.</param>
/// <param name="Targets">(B, L) bool: which tokens count.</param>
public sealed record SupervisedBatch(Tensor Tokens, Tensor Segments, Tensor Targets) : IDisposable
{
    /// <summary>Lays out rows of a packing plan, cut to the longest of them.</summary>
    /// <param name="examples">The planned examples.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="rows">Indices of rows.</param>
    public static SupervisedBatch Of(IReadOnlyList<SupervisedExample> examples, PackingPlan plan, IReadOnlyList<int> rows)
    {
        ArgumentNullException.ThrowIfNull(examples);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(rows);
        var width = rows.Max(row => plan.Rows[row].Sum(piece => plan.Pieces[piece].Length));
        var (tokens, segments, targets) = (new long[rows.Count * width], new long[rows.Count * width], new bool[rows.Count * width]);
        Array.Fill(segments, -1);
        for (var row = 0; row < rows.Count; row++)
        {
            var place = row * width;
            var segment = 0;
            foreach (var index in plan.Rows[rows[row]])
            {
                var (document, start, length) = plan.Pieces[index];
                for (var offset = 0; offset < length; offset++, place++)
                {
                    tokens[place] = examples[document].Tokens[start + offset];
                    segments[place] = segment;
                    targets[place] = examples[document].Targets[start + offset];
                }
                segment++;
            }
        }
        long[] shape = [rows.Count, width];
        return new SupervisedBatch(tensor(tokens, shape).DetachFromDisposeScope(), tensor(segments, shape).DetachFromDisposeScope(), tensor(targets, shape).DetachFromDisposeScope());
    }

    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        Tokens.Dispose();
        Segments.Dispose();
        Targets.Dispose();
    }
}
