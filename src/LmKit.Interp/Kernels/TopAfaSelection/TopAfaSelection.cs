using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>How many of a row's largest features bring the norm of its code nearest to a target (Lee et al. 2025).</summary>
/// <remarks>With C_m the norm of the m largest contributions, k is the m with C_m nearest to the target, the smaller on a tie; a target
/// out of reach keeps all that are not zero, and k is at least 1. Among equal contributions the lower index wins. Float32 on the CPU is
/// not sorted, unless a tolerance or the sentinel is asked for; k is the same but where roundings of float64 sums decide.</remarks>
public static partial class TopAfaSelection
{
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
        var (counts, mask) = (tolerance == 0 && !hasOfficialSentinel && IsServed(activations, decoderNorms, target) ? Cpu(activations, decoderNorms, target, minCount, maxCount) : null)
            ?? Reference(activations, decoderNorms, target, hasOfficialSentinel, minCount, maxCount, tolerance);
        return (counts.MoveToOuterDisposeScope(), mask.MoveToOuterDisposeScope());
    }

    private static bool IsServed(params ReadOnlySpan<Tensor> tensors)
    {
        if (KernelSelection.Current != KernelChoice.Cpu)
            return false;
        foreach (var tensor in tensors)
        {
            if (tensor.dtype != ScalarType.Float32 || tensor.device_type != DeviceType.CPU || !FiniteNumbers.All(tensor))
                return false;
        }
        return true;
    }
}
