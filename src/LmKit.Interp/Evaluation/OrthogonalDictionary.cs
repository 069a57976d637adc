using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A dictionary of random orthonormal directions: it rebuilds everything and means nothing, a control for other dictionaries.</summary>
/// <remarks>Atoms are Q and -Q; codes are the positive parts of (x - bias) Q^T and of its negative, so each input has at most D of 2 D.</remarks>
public sealed class OrthogonalDictionary : IDictionary, IDisposable
{
    private OrthogonalDictionary(Tensor atoms, Tensor bias) => (Atoms, Bias) = (atoms, bias);

    /// <inheritdoc/>
    public Tensor Atoms { get; }

    /// <inheritdoc/>
    public Tensor Bias { get; }

    /// <summary>Draws directions; the caller disposes the dictionary.</summary>
    /// <param name="mean">The activations' mean (D), which becomes the bias; copied.</param>
    /// <param name="random">Source of randomness.</param>
    public static OrthogonalDictionary Draw(Tensor mean, Generator random)
    {
        new TensorCheck(nameof(OrthogonalDictionary)).Floating(mean, nameof(mean), "D");
        ArgumentNullException.ThrowIfNull(random);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var width = mean.size(0);
        var (q, r) = linalg.qr(randn([width, width], ScalarType.Float64, generator: random));
        var rows = (q * r.diagonal().sign()).to(mean.dtype).to(mean.device); // signs that make the draw uniform
        return new(cat([rows, -rows], 0).DetachFromDisposeScope(), mean.detach().clone().DetachFromDisposeScope());
    }

    /// <inheritdoc/>
    public Tensor Encode(ActivationBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Shapes.CheckInput(batch.Values, Atoms, Bias.size(0), nameof(OrthogonalDictionary));
        new TensorCheck(nameof(OrthogonalDictionary)).Floating(batch.Values, nameof(batch), "B D");
        AutoencoderInput.Check(batch.Values, Bias.size(0), nameof(OrthogonalDictionary));
        using var scope = NewDisposeScope();
        return (batch.Values - Bias).mm(Atoms.t()).relu().MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Decode(Tensor codes)
    {
        Shapes.CheckInput(codes, Atoms, Atoms.size(0), nameof(OrthogonalDictionary));
        new TensorCheck(nameof(OrthogonalDictionary)).Floating(codes, nameof(codes), "B F");
        using var scope = NewDisposeScope();
        return (codes.mm(Atoms) + Bias).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Atoms.Dispose();
        Bias.Dispose();
    }
}
