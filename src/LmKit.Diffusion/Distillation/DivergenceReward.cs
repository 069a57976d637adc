using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The reward of a student's sample: the discriminator's estimate of ln q_reference - ln q_student, averaged over positions.</summary>
public static class DivergenceReward
{
    private const double Tiny = 1e-6;

    /// <summary>Rewards (B) of discriminator logits (B, L, 1), each clipped per sequence; the recipe for small models.</summary>
    /// <param name="logits">The discriminator's logits.</param>
    /// <param name="clip">Bound of a reward.</param>
    public static Tensor OfAll(Tensor logits, double clip = 8)
    {
        CheckLogits(logits, null, clip);
        using var scope = NewDisposeScope();
        return Finite(Clipping.Clip(HalfPrecision.Widen(logits).squeeze(-1).mean([1L]), clip)).MoveToOuterDisposeScope();
    }

    /// <summary>Rewards (B) over masked positions only, each position's log-odds clipped; the official rule.</summary>
    /// <param name="logits">The discriminator's logits (B, L, 1).</param>
    /// <param name="isMasked">(B, L) bool; a row without a masked position has reward 0.</param>
    /// <param name="clip">Bound of a position's log-odds.</param>
    public static Tensor OfMasked(Tensor logits, Tensor isMasked, double clip = 8)
    {
        CheckLogits(logits, isMasked ?? throw new ArgumentNullException(nameof(isMasked)), clip);
        using var scope = NewDisposeScope();
        var share = HalfPrecision.Widen(logits).squeeze(-1).sigmoid();
        var odds = Clipping.Clip((share + Tiny).log() - (1 - share + Tiny).log(), clip);
        var weight = isMasked.to(odds.dtype);
        return Finite((odds * weight).sum(1) / (weight.sum(1) + 1e-8)).MoveToOuterDisposeScope();
    }

    private static void CheckLogits(Tensor logits, Tensor? isMasked, double clip)
    {
        var check = new TensorCheck(nameof(DivergenceReward));
        check.AnyFloating(logits, nameof(logits), "B L 1");
        if (isMasked is not null)
            check.Truths(isMasked, nameof(isMasked), "B L");
        if (!(clip >= 0))
            throw new ArgumentOutOfRangeException(nameof(clip), clip, "The bound of a reward is 0 or more.");
    }

    private static Tensor Finite(Tensor rewards)
    {
        if (rewards.isfinite().all().ToBoolean())
            return rewards;
        var row = HostValues.Read(rewards.isfinite().logical_not().to(ScalarType.Int64).nonzero()).First();
        throw new ArgumentException($"The reward of row {row} is not finite: the discriminator has diverged; lower its learning rate or clip its gradient.", nameof(rewards));
    }
}

/// <summary>Clips to a bound of any size.</summary>
internal static class Clipping
{
    /// <summary>Values in [-bound, bound]; a bound that the values' type cannot hold clips nothing.</summary>
    internal static Tensor Clip(Tensor values, double bound)
    {
        var held = bound > float.MaxValue && values.dtype != ScalarType.Float64 ? double.PositiveInfinity : bound;
        return values.clamp(-held, held);
    }
}
