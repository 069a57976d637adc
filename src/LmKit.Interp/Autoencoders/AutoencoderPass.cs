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
