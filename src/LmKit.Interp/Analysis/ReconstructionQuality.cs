using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>How well activations are rebuilt; NaN where there is nothing to compare with: rows all alike have no variance to explain, and a
/// zero row has no length.</summary>
/// <param name="ExplainedVariance">1 - mean e / mean v, with e the squared error and v the squared distance to the batch's mean.</param>
/// <param name="LegacyExplainedVariance">mean (1 - e / v), SAELens's older figure; NaN where a row is the batch's mean.</param>
/// <param name="UnexplainedFraction">mean e / mean v (FVU).</param>
/// <param name="VarianceShare">1 - sum over dimensions of var(x - x_hat) / var(x).</param>
/// <param name="MeanSquaredError">Mean over rows and dimensions.</param>
/// <param name="NormalizedError">Mean over rows of e / |x|^2 (OpenAI).</param>
public sealed record ReconstructionQuality(double ExplainedVariance, double LegacyExplainedVariance, double UnexplainedFraction, double VarianceShare, double MeanSquaredError, double NormalizedError)
{
    /// <summary>Rows compared; 0 where that is not known.</summary>
    public long RowCount { get; init; }

    /// <summary>Standard error over rows of <see cref="ExplainedVariance"/> and <see cref="UnexplainedFraction"/>; NaN where it is not known.</summary>
    public double ExplainedVarianceError { get; init; } = double.NaN;

    /// <summary>Standard error over rows of <see cref="MeanSquaredError"/>.</summary>
    public double MeanSquaredErrorError { get; init; } = double.NaN;

    /// <summary>Standard error over rows of <see cref="NormalizedError"/>.</summary>
    public double NormalizedErrorError { get; init; } = double.NaN;

    // Of |x|^2: what is left of rows all alike after their mean is taken off is rounding.
    private const double Rounding = 1e-24;

    /// <summary>Compares activations (B, D) with what was rebuilt, in float64.</summary>
    /// <exception cref="ArgumentException">The two are not (B, D) of one shape with at least one row.</exception>
    public static ReconstructionQuality Of(Tensor input, Tensor output)
    {
        var check = new TensorCheck(nameof(ReconstructionQuality));
        check.AnyFloating(input, nameof(input), "B D");
        check.AnyFloating(output, nameof(output), "B D");
        if (input.dim() != 2 || input.numel() == 0 || !input.shape.SequenceEqual(output.shape))
            throw new ArgumentException($"Activations (B, D) of at least one row and what was rebuilt of them are needed; got ({string.Join(", ", input.shape)}) and ({string.Join(", ", output.shape)}).", nameof(output));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (x, y) = (input.to(ScalarType.Float64), output.to(ScalarType.Float64));
        var residual = x - y;
        var (error, squares) = (residual.square().sum(1), x.square().sum(1)); // (B)
        var spread = (x - x.mean([0L], keepdim: true)).square().sum(1);
        spread = spread.masked_fill(spread.le(squares * Rounding), 0);
        var unexplained = Shares.Of(error.mean().item<double>(), spread.mean().item<double>());
        var share = Shares.Of((residual - residual.mean([0L], keepdim: true)).square().sum().item<double>(), spread.sum().item<double>());
        return new(
            1 - unexplained,
            1 - MeanShare(error, spread),
            unexplained,
            1 - share,
            residual.square().mean().item<double>(),
            MeanShare(error, squares))
        {
            RowCount = input.size(0),
            ExplainedVarianceError = double.IsNaN(unexplained) ? double.NaN : Estimate.OfRatio(Numbers(error), Numbers(spread), input.size(0), "rows", "").StandardError,
            MeanSquaredErrorError = Estimate.OfValues(Numbers(error / input.size(1)), "rows").StandardError,
            NormalizedErrorError = Estimate.OfValues(Numbers(error / squares.masked_fill(squares.eq(0), double.NaN)), "rows").StandardError,
        };
    }

    private static double[] Numbers(Tensor each) => each.cpu().data<double>().ToArray();

    private static double MeanShare(Tensor error, Tensor whole) => (error / whole.masked_fill(whole.eq(0), double.NaN)).mean().item<double>();
}

/// <summary>Bits that a code of some active features takes: L0 (bits + log2 h).</summary>
public static class DescriptionLength
{
    /// <summary>The length in bits.</summary>
    /// <param name="activeCount">Active features in a row (L0).</param>
    /// <param name="bitsPerValue">Bits of one value; the authors take 7.</param>
    /// <param name="featureCount">Features h.</param>
    public static double Bits(double activeCount, double bitsPerValue, double featureCount) => activeCount * (bitsPerValue + Math.Log2(featureCount));
}

/// <summary>Quotients of measured quantities: NaN where there is nothing to divide by, never an infinity.</summary>
internal static class Shares
{
    // Far above float64's rounding of sums and far below what any data has.
    private const double Rounding = 1e-12;

    /// <summary>part / whole, or NaN where the whole is 0 up to the rounding of quantities of a size.</summary>
    internal static double Of(double part, double whole, double size = 0) => Math.Abs(whole) <= Rounding * Math.Abs(size) || whole == 0 ? double.NaN : part / whole;
}
