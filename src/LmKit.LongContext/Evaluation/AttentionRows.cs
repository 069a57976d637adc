using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What some rows of scores say: maxima over them, and sums over rows.</summary>
internal readonly record struct AttentionRows(double LargestLogit, double LargestMagnitude, double Entropy, double LeastSlack, double StartMass, double Keys, long Count)
{
    /// <summary>Reads scores.</summary>
    /// <param name="logits">(B, H, R, M) float64, minus infinity where a key is hidden.</param>
    /// <param name="isStart">(B, 1, 1, M) bool, the keys that are starting tokens.</param>
    /// <param name="sinks">A score of each head (H) that joins its softmax, or null.</param>
    /// <returns>Null where no row sees a key.</returns>
    /// <exception cref="InvalidOperationException">A score that is seen is not finite.</exception>
    internal static AttentionRows? Read(Tensor logits, Tensor isStart, Tensor? sinks)
    {
        using var scope = NewDisposeScope();
        var seen = logits.ne(double.NegativeInfinity); // a NaN is seen
        var keys = seen.sum(-1); // (B, H, R)
        var isRow = keys.gt(0);
        var count = isRow.sum().ToInt64();
        if (count == 0)
            return null;
        var all = logits;
        if (sinks is not null)
        {
            var own = sinks.to(ScalarType.Float64).view(1, -1, 1, 1).expand(logits.size(0), -1, logits.size(2), 1);
            (all, seen) = (cat([logits, own], -1), cat([seen, ones_like(own, dtype: ScalarType.Bool)], -1));
        }
        var finite = all.masked_fill(seen.logical_not(), 0);
        if (!finite.isfinite().all().ToBoolean())
            throw new InvalidOperationException("A score of attention is not finite. Look for weights that are not finite, or a dtype too narrow for the model.");
        var whole = all.logsumexp(-1, keepdim: true);
        var weights = (all - whole).exp();
        var entropy = whole.squeeze(-1) - (weights * finite).sum(-1);
        var magnitude = finite.abs().amax([-1L]);
        var slack = entropy - (seen.sum(-1).to(ScalarType.Float64).log() - 2 * magnitude);
        var starts = (weights.narrow(-1, 0, logits.size(-1)) * isStart).sum(-1);
        return new AttentionRows(
            Rows(all.amax([-1L]), double.NegativeInfinity).max().ToDouble(),
            Rows(magnitude, 0).max().ToDouble(),
            Rows(entropy, 0).sum().ToDouble(),
            Rows(slack, double.PositiveInfinity).min().ToDouble(),
            Rows(starts, 0).sum().ToDouble(),
            keys.sum().ToDouble(),
            count);

        Tensor Rows(Tensor values, double otherwise) => values.masked_fill(isRow.logical_not(), otherwise);
    }
}
