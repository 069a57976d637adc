using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>How many of a row's largest features bring the norm of its code nearest to a target (Lee et al. 2025).</summary>
/// <remarks>With C_m the norm of the m largest contributions, k is the m with C_m nearest to the target, the smaller on a tie; a target
/// out of reach keeps all that are not zero, and k is at least 1. Among equal contributions the lower index wins.</remarks>
public static class TopAfaSelection
{
    // What the authors' code writes over the norm of all features together.
    private const double Sentinel = 1e4;

    /// <summary>Chooses features.</summary>
    /// <param name="activations">Rectified activations (B, F).</param>
    /// <param name="decoderNorms">Norms of the decoder rows (F).</param>
    /// <param name="target">Norms to reach (B).</param>
    /// <param name="hasOfficialSentinel">Whether the norm of all features is taken as 1e4.</param>
    /// <param name="minCount">Fewest kept.</param>
    /// <param name="maxCount">Most kept; 0 for no limit.</param>
    /// <param name="tolerance">How far, relative to the target, the norm may stay from it; the fewest features within that are kept.</param>
    /// <returns>Counts (B) int64 and the mask (B, F) of what is kept; the caller disposes both.</returns>
    public static (Tensor Counts, Tensor Mask) Choose(
        Tensor activations, Tensor decoderNorms, Tensor target, bool hasOfficialSentinel = false, long minCount = 1, long maxCount = 0, double tolerance = 0)
    {
        var check = new TensorCheck(nameof(TopAfaSelection));
        check.AnyFloating(activations, nameof(activations), "B F");
        check.AnyFloating(decoderNorms, nameof(decoderNorms), "F");
        check.AnyFloating(target, nameof(target), "B");
        ArgumentOutOfRangeException.ThrowIfNegative(minCount);
        ArgumentOutOfRangeException.ThrowIfNegative(maxCount);
        if (!(tolerance >= 0))
            throw new ArgumentOutOfRangeException(nameof(tolerance), tolerance, "The tolerance is 0 or more.");
        if (maxCount > 0 && minCount > maxCount)
            throw new ArgumentOutOfRangeException(nameof(minCount), minCount, $"At least {minCount} and at most {maxCount} features cannot both be kept.");
        if (check["F"] == 0)
            throw new ArgumentException("There is no feature to choose from: F is 0.", nameof(activations));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
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
        return (chosen.squeeze(1).MoveToOuterDisposeScope(), mask.MoveToOuterDisposeScope());
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
