using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The reconstruction term of a loss.</summary>
internal static class SquaredError
{
    internal static Tensor Of(AutoencoderPass pass, ReconstructionLoss kind) => kind == ReconstructionLoss.NormalizedMean
        ? (pass.Reconstruction - pass.Normalized).square().mean()
        : RowMean(pass.Output - pass.Input);

    /// <summary>Squares summed over dimensions, averaged over rows.</summary>
    internal static Tensor RowMean(Tensor error) => error.square().sum(1).mean();
}
