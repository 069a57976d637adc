using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Keeps the smallest set of most likely tokens whose probability reaches p (nucleus sampling, Holtzman et al. 2020).</summary>
public static class TopP
{
    /// <summary>The filter of a probability in (0, 1]; the most likely token always stays.</summary>
    public static LogitFilter Filter(double probability)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(probability);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(probability, 1);
        return (logits, _, _) =>
        {
            using var scope = NewDisposeScope();
            var (sorted, order) = sort(logits, -1, descending: true);
            var share = sorted.softmax(-1);
            var before = share.cumsum(-1) - share; // probability of the tokens ahead
            var dropped = before.ge(probability);
            dropped.narrow(-1, 0, 1).fill_(false);
            var mask = zeros_like(dropped).scatter(-1, order, dropped);
            return logits.masked_fill(mask, double.NegativeInfinity).MoveToOuterDisposeScope();
        };
    }
}
