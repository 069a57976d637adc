using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Which attributes an attention score comes from: q . k / sqrt(P) as a sum over pairs of parts (Makelov et al. 2024).</summary>
public static class AttentionDecomposition
{
    /// <summary>The parts (B, blocks + 1, D) that a supervised reconstruction is the sum of, the bias last; the caller disposes them.</summary>
    public static Tensor Parts(SupervisedDictionary dictionary, Tensor attributes)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        ArgumentNullException.ThrowIfNull(attributes);
        using var scope = NewDisposeScope();
        var parts = Enumerable.Range(0, dictionary.Blocks.Count).Select(block => dictionary.Selected(block, attributes));
        return stack([.. parts, dictionary.Bias.expand(attributes.size(0), -1)], 1).MoveToOuterDisposeScope();
    }

    /// <summary>Scores (B, I, J) of each part of a query with each part of a key; their sum is the score of the two reconstructions. The
    /// caller disposes them.</summary>
    /// <param name="queries">Parts of one head's query (B, I, P), before any position encoding.</param>
    /// <param name="keys">Parts of its key (B, J, P).</param>
    public static Tensor Scores(Tensor queries, Tensor keys)
    {
        var check = new TensorCheck(nameof(AttentionDecomposition));
        check.Floating(queries, nameof(queries), "B I P");
        check.Floating(keys, nameof(keys), "B J P");
        using var scope = NewDisposeScope();
        return (einsum("bip,bjp->bij", queries, keys) / Math.Sqrt(queries.size(2))).MoveToOuterDisposeScope();
    }

    /// <summary>What parts of a head's output become in a later head's query, key or value, with the norm between them frozen: W (LN(W_O z)).
    /// The caller disposes them.</summary>
    /// <param name="parts">Parts of the head's output z (B, I, P).</param>
    /// <param name="output">The head's columns (D, P) of the output projection.</param>
    /// <param name="normWeight">The norm's weight (D).</param>
    /// <param name="scale">The norm's standard deviation, averaged over a data set.</param>
    /// <param name="projection">The later head's rows (P, D) of its projection.</param>
    public static Tensor Compose(Tensor parts, Tensor output, Tensor normWeight, double scale, Tensor projection)
    {
        var check = new TensorCheck(nameof(AttentionDecomposition));
        check.Floating(parts, nameof(parts), "B I P");
        check.Floating(output, nameof(output), "D P");
        check.Floating(normWeight, nameof(normWeight), "D");
        check.Floating(projection, nameof(projection), "Q D");
        using var scope = NewDisposeScope();
        var written = nn.functional.linear(parts, output); // (B, I, D)
        var normed = (written - written.mean([-1L], keepdim: true)) * (normWeight / scale);
        return nn.functional.linear(normed, projection).MoveToOuterDisposeScope();
    }
}
