using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>How well a dictionary finds features that are known.</summary>
/// <param name="NormalizedError">Mean of |x - x_hat|^2 / |x|^2.</param>
/// <param name="ActiveCount">Mean number of active features (L0).</param>
/// <param name="CountCorrelation">Correlation of that number with the true one; NaN when it never changes.</param>
/// <param name="MaxCosine">Mean over true directions of the largest cosine with an atom (MMCS).</param>
/// <param name="Recovered">Share of true directions with a cosine above 0.9.</param>
/// <param name="Precision">Active true directions whose best atom is active, over active atoms.</param>
/// <param name="Recall">The same over active true directions.</param>
public sealed record FeatureRecovery(double NormalizedError, double ActiveCount, double CountCorrelation, double MaxCosine, double Recovered, double Precision, double Recall)
{
    private const double RecoveredCosine = 0.9;

    /// <summary>Measures a dictionary.</summary>
    /// <param name="dictionary">The dictionary.</param>
    /// <param name="directions">True directions (F, D), rows of norm 1.</param>
    /// <param name="activations">Activations (B, D).</param>
    /// <param name="truth">Their true codes (B, F).</param>
    public static FeatureRecovery Of(IDictionary dictionary, Tensor directions, Tensor activations, Tensor truth)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        var check = new TensorCheck(nameof(FeatureRecovery));
        check.Floating(dictionary.Atoms, nameof(dictionary), "A D");
        check.Floating(directions, nameof(directions), "F D");
        check.Floating(activations, nameof(activations), "B D");
        check.Any(truth, nameof(truth), "B F");
        if (truth.is_complex() || check["A"] == 0 || check["F"] == 0 || check["B"] == 0)
            throw new ArgumentException($"{nameof(FeatureRecovery)} needs at least one atom, direction and row, and real codes.", nameof(truth));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var codes = dictionary.Encode(new ActivationBatch(activations));
        var output = dictionary is SparseAutoencoder autoencoder ? autoencoder.Reconstruct(activations) : dictionary.Decode(codes);
        var cosines = (dictionary.Atoms / dictionary.Atoms.norm(1, keepdim: true).clamp_min(1e-12)).mm(directions.t()); // (atoms, directions)
        var best = cosines.amax([0]);
        var (active, real) = (codes.gt(0), truth.gt(0));
        var hits = Mean(active.index_select(1, cosines.argmax(0)).logical_and(real).sum()); // through each direction's best atom
        return new(
            ReconstructionQuality.Of(activations, output).NormalizedError,
            Mean(active.sum(1)),
            Correlation(active.sum(1), real.sum(1)),
            Mean(best),
            Mean(best.gt(RecoveredCosine)),
            hits / Math.Max(1, Mean(active.sum())),
            hits / Math.Max(1, Mean(real.sum())));
    }

    /// <summary>Pearson's correlation of two vectors; NaN when one is constant.</summary>
    public static double Correlation(Tensor values, Tensor others)
    {
        var check = new TensorCheck(nameof(FeatureRecovery));
        check.Any(values, nameof(values), "N");
        check.Any(others, nameof(others), "N");
        if (values.is_complex() || others.is_complex())
            throw new ArgumentException($"A correlation is of real numbers; got {values.dtype} and {others.dtype}.", nameof(values));
        using var scope = NewDisposeScope();
        var (x, y) = (values.to(ScalarType.Float64), others.to(ScalarType.Float64));
        var (a, b) = (x - x.mean(), y - y.mean());
        var (own, other) = (Spread(x, a), Spread(y, b));
        return Shares.Of((a * b).sum().item<double>(), Math.Sqrt(own * other));

        // What is left of a constant after its mean is taken off is rounding.
        static double Spread(Tensor values, Tensor centred) =>
            (centred.square().sum().item<double>(), values.square().sum().item<double>()) is var (spread, size) && spread > 1e-24 * size ? spread : 0;
    }

    private static double Mean(Tensor values) => values.to(ScalarType.Float64).mean().item<double>();
}
