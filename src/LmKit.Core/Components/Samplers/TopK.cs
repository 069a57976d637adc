using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Keeps the k most likely tokens (Fan et al. 2018).</summary>
public static class TopK
{
    /// <summary>The filter that keeps <paramref name="count"/> tokens, and those tied with the last of them.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The count is not positive.</exception>
    public static LogitFilter Filter(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        return (logits, _, _) =>
        {
            LogitCheck.Logits(logits, nameof(TopK));
            using var scope = NewDisposeScope();
            var wide = HalfPrecision.Widen(logits);
            if (count >= wide.size(-1))
                return wide.MoveToOuterDisposeScope();
            var (best, _) = topk(wide, count);
            var least = best.narrow(-1, count - 1, 1); // (B, 1)
            return wide.masked_fill(wide.lt(least), double.NegativeInfinity).MoveToOuterDisposeScope();
        };
    }
}
