using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>How well activations are rebuilt.</summary>
/// <param name="ExplainedVariance">1 - mean e / mean v, with e the squared error and v the squared distance to the batch's mean.</param>
/// <param name="LegacyExplainedVariance">mean (1 - e / v), SAELens's older figure.</param>
/// <param name="UnexplainedFraction">mean e / mean v (FVU).</param>
/// <param name="VarianceShare">1 - sum over dimensions of var(x - x_hat) / var(x).</param>
/// <param name="MeanSquaredError">Mean over rows and dimensions.</param>
/// <param name="NormalizedError">Mean over rows of e / |x|^2 (OpenAI).</param>
public sealed record ReconstructionQuality(double ExplainedVariance, double LegacyExplainedVariance, double UnexplainedFraction, double VarianceShare, double MeanSquaredError, double NormalizedError)
{
    /// <summary>Compares activations (B, D) with what was rebuilt.</summary>
    public static ReconstructionQuality Of(Tensor input, Tensor output)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (x, y) = (input.to(ScalarType.Float64), output.to(ScalarType.Float64));
        var error = (x - y).square().sum(1);
        var spread = (x - x.mean([0L], keepdim: true)).square().sum(1);
        var unexplained = (error.mean() / spread.mean()).item<double>();
        var residual = x - y;
        var share = ((residual - residual.mean([0L], keepdim: true)).square().sum() / spread.sum()).item<double>();
        return new(
            1 - unexplained,
            (1 - error / spread).mean().item<double>(),
            unexplained,
            1 - share,
            (x - y).square().mean().item<double>(),
            (error / x.square().sum(1)).mean().item<double>());
    }
}
