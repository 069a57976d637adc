using static TorchSharp.torch;

namespace LmKit;

public static partial class TopAfaSelection
{
    // What the authors' code writes over the norm of all features together.
    private const double Sentinel = 1e4;

    /// <summary>The choice by a stable sort of every row.</summary>
    internal static (Tensor Counts, Tensor Mask) Reference(
        Tensor activations, Tensor decoderNorms, Tensor target, bool hasOfficialSentinel, long minCount, long maxCount, double tolerance)
    {
        var count = activations.size(1);
        var mass = (HalfPrecision.Widen(activations) * HalfPrecision.Widen(decoderNorms)).square(); // s_j; half-precision sums would move k
        var (sorted, order) = mass.sort(1, descending: true, stable: true);
        var norms = sorted.cumsum(1).sqrt(); // C_m
        var wanted = target.unsqueeze(1).to(norms.dtype);
        var chosen = Nearest(norms, wanted, sorted.gt(0).sum(1, keepdim: true), hasOfficialSentinel);
        if (tolerance > 0)
        {
            var first = (norms.lt(wanted * (1 - tolerance)).sum(1, keepdim: true) + 1).clamp_max(count); // the first C_m near enough from below
            chosen = where((norms.gather(1, first - 1) - wanted).abs().le(wanted * tolerance), first, chosen);
        }
        chosen = chosen.clamp(Math.Min(minCount, count), maxCount > 0 ? Math.Min(maxCount, count) : count);
        var ranks = arange(count, device: activations.device).unsqueeze(0);
        var mask = zeros_like(mass, ScalarType.Bool).scatter(1, order, ranks.lt(chosen));
        return (chosen.squeeze(1), mask);
    }

    private static Tensor Nearest(Tensor norms, Tensor target, Tensor active, bool hasSentinel)
    {
        var last = norms.size(1) - 1;
        var open = hasSentinel ? norms.narrow(1, 0, last) : norms;
        var below = open.lt(target).sum(1, keepdim: true); // m - 1, where C_m is the first to reach the target
        var reaches = below.lt(open.size(1));
        var upper = below.clamp(0, last);
        var lower = (below - 1).clamp(0, last);
        var overshoot = (norms.gather(1, upper) - target).abs();
        var shortfall = (norms.gather(1, lower) - target).abs();
        var nearest = where(overshoot.lt(shortfall).logical_or(below.eq(0)), below + 1, below);
        var chosen = where(reaches, nearest, active.clamp(1, Math.Max(1, open.size(1))));
        if (!hasSentinel)
            return chosen;
        var distance = (norms.gather(1, chosen - 1) - target).abs();
        return where((target - Sentinel).abs().lt(distance).logical_or(full_like(distance, last == 0 ? 1 : 0).gt(0)), full_like(chosen, last + 1), chosen);
    }
}
