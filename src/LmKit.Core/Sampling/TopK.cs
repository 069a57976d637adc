using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Keeps the k most likely tokens (Fan et al. 2018).</summary>
public static class TopK
{
    /// <summary>The filter that keeps <paramref name="count"/> tokens, and those tied with the last of them.</summary>
    public static LogitFilter Filter(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        return (logits, _, _) =>
        {
            if (count >= logits.size(-1))
                return logits.alias();
            using var scope = NewDisposeScope();
            var (best, _) = topk(logits, count);
            var least = best.narrow(-1, count - 1, 1); // (B, 1)
            return logits.masked_fill(logits.lt(least), double.NegativeInfinity).MoveToOuterDisposeScope();
        };
    }
}
