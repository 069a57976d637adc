using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Divides the logits by a temperature: below 1 sharper, above 1 flatter.</summary>
/// <remarks>Computed in float32 or wider. Below 0.01 each row's largest logit is taken off first, so that no temperature overflows: the
/// limit is the most likely token.</remarks>
public static class Temperature
{
    private const double Small = 0.01;

    // Below it 1 / t is near the end of float32: what is not the largest is as good as impossible.
    private const double Least = 1e-30;

    /// <summary>The filter of a positive temperature.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The temperature is not a positive, finite number.</exception>
    public static LogitFilter Filter(double temperature)
    {
        if (!(temperature > 0 && double.IsFinite(temperature)))
            throw new ArgumentOutOfRangeException(nameof(temperature), temperature, "A temperature is a positive, finite number; 0, the most likely token, is no filter.");
        return (logits, _, _) =>
        {
            LogitCheck.Logits(logits, nameof(Temperature));
            using var scope = NewDisposeScope();
            var wide = HalfPrecision.Widen(logits);
            if (temperature >= Small)
                return wide.div(temperature).MoveToOuterDisposeScope();
            var below = wide - wide.amax([-1], keepdim: true); // (B, V), at most 0
            var divided = temperature < Least ? below.masked_fill(below.lt(0), double.NegativeInfinity) : below.div(temperature);
            return divided.MoveToOuterDisposeScope();
        };
    }
}
