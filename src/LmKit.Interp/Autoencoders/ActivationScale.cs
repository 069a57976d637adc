using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One scalar, and perhaps one mean vector, that normalise all activations: x' = (x - mean) * factor.</summary>
/// <remarks>Train on x', then fold it into the weights with <see cref="SparseAutoencoder.Fold"/>: the dictionary speaks raw units from
/// then on. The mean is owned by this object.</remarks>
public sealed class ActivationScale : IDisposable
{
    /// <summary>Makes it; takes over the mean (D), or null for none.</summary>
    public ActivationScale(double factor, Tensor? mean = null)
    {
        if (!double.IsFinite(factor) || factor <= 0)
            throw new ArgumentOutOfRangeException(nameof(factor), factor, "The factor that scales activations is a positive number; all-zero activations have none.");
        if (mean is not null)
            new TensorCheck(nameof(ActivationScale)).AnyFloating(mean, nameof(mean), "D");
        Factor = factor;
        Mean = mean;
    }

    /// <summary>The scalar c.</summary>
    public double Factor { get; }

    /// <summary>The frozen mean (D), or null.</summary>
    public Tensor? Mean { get; }

    /// <summary>sqrt(d) / mean |x| (SAELens's expected average; the April 2024 update).</summary>
    public static ActivationScale ExpectedAverage(Tensor activations)
    {
        Check(activations);
        using var scope = NewDisposeScope();
        return new(Math.Sqrt(activations.size(-1)) / Norms(activations).mean().item<double>());
    }

    /// <summary>The scalar that makes the mean squared norm 1 (dictionary_learning).</summary>
    public static ActivationScale UnitMeanSquare(Tensor activations)
    {
        Check(activations);
        using var scope = NewDisposeScope();
        return new(1 / Math.Sqrt(Norms(activations).square().mean().item<double>()));
    }

    /// <summary>A frozen mean, and one over the mean norm (Makelov et al. 2024, full-distribution autoencoders).</summary>
    public static ActivationScale MeanAndScale(Tensor activations)
    {
        Check(activations);
        using var scope = NewDisposeScope();
        var factor = 1 / Norms(activations).mean().item<double>();
        var mean = HalfPrecision.Widen(activations.detach()).mean([0L]).to(activations.dtype);
        return new(factor, mean.DetachFromDisposeScope());
    }

    /// <summary>Normalised activations; the caller disposes them.</summary>
    public Tensor Apply(Tensor activations)
    {
        var check = new TensorCheck(nameof(ActivationScale));
        check.AnyFloating(activations, nameof(activations), "... D");
        if (Mean is not null)
            check.AnyFloating(Mean, nameof(Mean), "D");
        using var scope = NewDisposeScope();
        return ((Mean is null ? activations : activations - Mean) * Factor).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose() => Mean?.Dispose();

    private static void Check(Tensor activations)
    {
        new TensorCheck(nameof(ActivationScale)).AnyFloating(activations, nameof(activations), "B D");
        if (activations.device_type == DeviceType.META)
            throw new ArgumentException($"{nameof(ActivationScale)} measures activations, and those on the meta device have no values.", nameof(activations));
    }

    private static Tensor Norms(Tensor activations) => activations.detach().to(ScalarType.Float64).norm(-1);
}
