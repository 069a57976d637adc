using static TorchSharp.torch;

namespace LmKit;

/// <summary>All that one run of an autoencoder over a batch computes; its tensors belong to the caller's dispose scope.</summary>
public sealed class AutoencoderPass : IDisposable
{
    internal AutoencoderPass(Tensor input, RowScaling rows, Tensor centred, FeatureActivations features, Tensor reconstruction, Tensor output)
    {
        Input = input;
        Rows = rows;
        Centred = centred;
        Features = features;
        Reconstruction = reconstruction;
        Output = output;
    }

    /// <summary>The raw activations (B, D); the caller's.</summary>
    public Tensor Input { get; }

    /// <summary>Activations after row normalisation (B, D).</summary>
    public Tensor Normalized => Rows.Values;

    /// <summary>Pre-activations (B, F); the gate's for a gated autoencoder.</summary>
    public Tensor PreActivations => Features.Pre;

    /// <summary>Codes (B, F).</summary>
    public Tensor Codes => Features.Codes;

    /// <summary>The reconstruction in normalised units (B, D).</summary>
    public Tensor Reconstruction { get; }

    /// <summary>The reconstruction in raw units (B, D).</summary>
    public Tensor Output { get; }

    internal RowScaling Rows { get; }

    internal Tensor Centred { get; }

    internal FeatureActivations Features { get; }

    /// <summary>Frees every tensor but the input.</summary>
    public void Dispose()
    {
        foreach (var tensor in Own())
            tensor.Dispose();
    }

    internal AutoencoderPass MoveOut()
    {
        foreach (var tensor in Own())
            tensor.MoveToOuterDisposeScope();
        return this;
    }

    private HashSet<Tensor> Own()
    {
        Tensor?[] all = [Rows.Values, Rows.Scale, Rows.Shift, Centred, Features.Pre, Features.Dense, Features.Codes, Reconstruction, Output];
        return new HashSet<Tensor>(all.OfType<Tensor>().Where(tensor => !ReferenceEquals(tensor, Input)), ReferenceEqualityComparer.Instance);
    }
}

/// <summary>Features of a batch: pre-activations, rectified values before any selection, and the codes kept, each (B, F).</summary>
internal sealed record FeatureActivations(Tensor Pre, Tensor Dense, Tensor Codes)
{
    /// <summary>The codes as a list, where a training step works with that: then it alone has a graph, and the tensors are values.</summary>
    internal KeptCodes? Kept { get; init; }
}

/// <summary>The codes that rows keep, without those that are zero because they were not chosen.</summary>
/// <param name="Places">Where they stand.</param>
/// <param name="Values">The codes (N), with their graph.</param>
internal sealed record KeptCodes(KeptFeatures Places, Tensor Values)
{
    /// <summary>Sums a number of each entry (N) over the entries of each row (B).</summary>
    internal Tensor RowSums(Tensor numbers) => zeros([Places.RowCount], numbers.dtype).index_add(0, Places.Rows(), numbers, 1);
}
