using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Draws from unnormalised weights: argmax_v q_v / (1e-10 - ln(u_v + 1e-10)), which is the Gumbel-max draw.</summary>
public static class CategoricalDraw
{
    private const double Tiny = 1e-10;

    /// <summary>One draw (...) int64 for each row of weights (..., V), with uniforms of the same shape; ties go to the first.</summary>
    public static Tensor Sample(Tensor weights, Tensor uniforms)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(uniforms);
        using var scope = NewDisposeScope();
        var noise = (HalfPrecision.Widen(uniforms).to(weights.device) + Tiny).log().neg() + Tiny;
        return HalfPrecision.Widen(weights).div(noise).argmax(-1).MoveToOuterDisposeScope();
    }
}
