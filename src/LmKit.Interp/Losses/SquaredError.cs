using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The reconstruction term of a loss, summed in float32 or wider.</summary>
internal static class SquaredError
{
    internal static Tensor Of(AutoencoderPass pass, ReconstructionLoss kind) => kind == ReconstructionLoss.NormalizedMean
        ? HalfPrecision.Widen(pass.Reconstruction - pass.Normalized).square().mean()
        : RowMean(pass.Output - pass.Input);

    /// <summary>Squares summed over dimensions, averaged over rows.</summary>
    internal static Tensor RowMean(Tensor error) => HalfPrecision.Widen(error).square().sum(1).mean();
}
