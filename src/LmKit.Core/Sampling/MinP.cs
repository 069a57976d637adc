using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Drops tokens whose probability is below a share of the most likely token's (Nguyen et al. 2024).</summary>
public static class MinP
{
    /// <summary>The filter of a share in (0, 1].</summary>
    public static LogitFilter Filter(double share)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(share);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(share, 1);
        return (logits, _, _) =>
        {
            using var scope = NewDisposeScope();
            var least = logits.amax([-1], keepdim: true) + Math.Log(share);
            return logits.masked_fill(logits.lt(least), double.NegativeInfinity).MoveToOuterDisposeScope();
        };
    }
}
