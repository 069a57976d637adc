using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Attention with linear biases: each head lowers its scores by slope * distance.</summary>
/// <remarks>Slopes are 2^(-b t / N) for t = 1..N with b the largest bias, 8 as a rule, and N the next power of two of the head count; for other
/// head counts every second slope comes first, then the rest, cut to the head count (MPT's rule).</remarks>
public sealed class AlibiEncoding : PositionEncoding
{
    private readonly double[] slopes;

    /// <summary>Makes the encoding for a number of heads.</summary>
    /// <param name="headCount">The heads.</param>
    /// <param name="maxBias">The exponent b of the last head's slope, 2^-b.</param>
    public AlibiEncoding(int headCount, double maxBias = 8)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(headCount);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(headCount, 1 << 16);
        if (!(maxBias > 0 && double.IsFinite(maxBias)))
            throw new ArgumentOutOfRangeException(nameof(maxBias), maxBias, "The exponent of the last slope is a positive, finite number.");
        var power = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)headCount);
        var all = Enumerable.Range(1, power).Select(t => Math.Pow(2, -t * maxBias / power)).ToArray();
        slopes = power == headCount
            ? all
            : [.. all.Where((_, index) => index % 2 == 1).Concat(all.Where((_, index) => index % 2 == 0)).Take(headCount)];
    }

    /// <summary>The slope of each head.</summary>
    public ReadOnlySpan<double> Slopes => slopes;

    /// <inheritdoc/>
    public override void CheckHeads(long headCount)
    {
        if (slopes.Length != headCount)
            throw new ArgumentException($"ALiBi has slopes for {slopes.Length} heads; got {headCount} query heads.");
    }

    /// <inheritdoc/>
    public override Tensor? Bias(Tensor distances, ScalarType dtype)
    {
        new TensorCheck(nameof(AlibiEncoding)).Integers(distances, nameof(distances), "B L M");
        if (!TensorCheck.IsFloating(dtype))
            throw new ArgumentException($"Biases are real floating-point numbers; got {dtype}.", nameof(dtype));
        using var scope = NewDisposeScope();
        var wide = HalfPrecision.Wide(dtype); // half precision cannot count distances beyond 256 or 2048
        var slope = tensor(slopes, dtype: wide, device: distances.device).view(1, -1, 1, 1);
        return HalfPrecision.Narrow((distances.abs().to(wide).unsqueeze(1) * slope).neg_(), dtype).MoveToOuterDisposeScope(); // (B, H, L, M)
    }
}
