using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Rotary position embedding: feature pairs t turn by position * base^(-2t/R).</summary>
/// <remarks>Pairs are (t, t + R/2) of the first R features (half-split, as in Llama) or (2t, 2t + 1) (interleaved, as in GPT-J); the
/// remaining features pass through. Phases are computed in float64 and then narrowed, so positions beyond 1e7 keep their precision; half
/// precision turns in float32 and is rounded once.</remarks>
public sealed class RotaryEmbedding : PositionEncoding
{
    private readonly long rotaryDim;
    private readonly double wavelength;
    private readonly bool isInterleaved;

    /// <summary>Makes the encoding.</summary>
    /// <param name="rotaryDim">How many features of each head turn (R); even.</param>
    /// <param name="wavelength">The base, 10000 in the original.</param>
    /// <param name="isInterleaved">Whether pairs are neighbours (GPT-J) instead of halves (Llama).</param>
    public RotaryEmbedding(long rotaryDim, double wavelength = 10_000, bool isInterleaved = false)
    {
        if (!(wavelength > 0 && double.IsFinite(wavelength)))
            throw new ArgumentOutOfRangeException(nameof(wavelength), wavelength, "The base of rotary positions is a positive, finite number.");
        if (rotaryDim <= 0 || rotaryDim % 2 != 0)
            throw new ArgumentException($"rotary_dim = {rotaryDim}: rotary turns pairs of features, so the width must be even and positive.", nameof(rotaryDim));
        this.rotaryDim = rotaryDim;
        this.wavelength = wavelength;
        this.isInterleaved = isInterleaved;
    }

    /// <inheritdoc/>
    public override Tensor EncodeQueries(Tensor queries, Tensor positions) => Rotate(queries, positions);

    /// <inheritdoc/>
    public override Tensor EncodeKeys(Tensor keys, Tensor positions) => Rotate(keys, positions);

    private Tensor Rotate(Tensor x, Tensor positions)
    {
        var check = new TensorCheck(nameof(RotaryEmbedding));
        check.Floating(x, nameof(x), "B H L P");
        check.Integers(positions, nameof(positions), "_ L");
        if (positions.size(0) != x.size(0) && positions.size(0) != 1)
            throw new ArgumentException($"{nameof(RotaryEmbedding)} takes positions (B, L) or (1, L) with B = {x.size(0)}; got ({string.Join(", ", positions.shape)}).", nameof(positions));
        if (x.size(3) < rotaryDim)
            throw new ArgumentException($"{nameof(RotaryEmbedding)} turns {rotaryDim} features of each head; heads are {x.size(3)} wide.", nameof(x));
        using var scope = NewDisposeScope();
        var dtype = x.dtype;
        x = HalfPrecision.Widen(x);
        var half = rotaryDim / 2;
        var t = arange(0, half, dtype: ScalarType.Float64, device: x.device);
        var frequencies = (t * (-2.0 / rotaryDim * Math.Log(wavelength))).exp(); // (R/2)
        var phases = positions.to(ScalarType.Float64).unsqueeze(-1) * frequencies; // (B, L, R/2)
        var cos = phases.cos().to(x.dtype).unsqueeze(1); // (B, 1, L, R/2)
        var sin = phases.sin().to(x.dtype).unsqueeze(1);
        var turning = x.narrow(-1, 0, rotaryDim);
        Tensor first, second;
        if (isInterleaved)
        {
            var pairs = turning.unflatten(3, [half, 2]); // (B, H, L, R/2, 2)
            (first, second) = (pairs.select(-1, 0), pairs.select(-1, 1));
        }
        else
        {
            (first, second) = (turning.narrow(-1, 0, half), turning.narrow(-1, half, half));
        }
        var turnedFirst = first * cos - second * sin;
        var turnedSecond = second * cos + first * sin;
        var turned = isInterleaved
            ? stack([turnedFirst, turnedSecond], -1).flatten(3)
            : cat([turnedFirst, turnedSecond], -1);
        var rest = x.size(-1) - rotaryDim;
        var all = rest == 0 ? turned : cat([turned, x.narrow(-1, rotaryDim, rest)], -1);
        return HalfPrecision.Narrow(all, dtype).MoveToOuterDisposeScope();
    }
}
