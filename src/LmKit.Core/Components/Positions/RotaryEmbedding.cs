using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Rotary position embedding: feature pairs t turn by position * base^(-2t/R), or by the frequencies of a
/// <see cref="RotaryScaling"/>.</summary>
/// <remarks>Pairs are (t, t + R/2) of the first R features (half-split, as in Llama) or (2t, 2t + 1) (interleaved, as in GPT-J); the
/// remaining features pass through. Phases are computed in float64 and then narrowed, so positions beyond 1e7 keep their precision, and
/// on the CPU they come from a table that all layers share; half precision turns in float32 and is rounded once.</remarks>
public sealed class RotaryEmbedding : PositionEncoding
{
    /// <summary>The widest head whose phases are kept; models' heads are 64 to 256 wide.</summary>
    internal const long WidestTurn = 1 << 15;

    private readonly long rotaryDim;
    private readonly double? wavelength; // null where a scaling made the frequencies
    private readonly bool isInterleaved;
    private readonly RotaryFrequencies turns;
    private readonly RotaryTable table;

    /// <summary>Makes the encoding.</summary>
    /// <param name="rotaryDim">How many features of each head turn (R); even, at most 32,768.</param>
    /// <param name="wavelength">The base, 10000 in the original.</param>
    /// <param name="isInterleaved">Whether pairs are neighbours (GPT-J) instead of halves (Llama).</param>
    public RotaryEmbedding(long rotaryDim, double wavelength = 10_000, bool isInterleaved = false)
        : this(Plain(rotaryDim, wavelength), isInterleaved) => this.wavelength = wavelength;

    /// <summary>Makes the encoding from frequencies of any origin.</summary>
    internal RotaryEmbedding(RotaryFrequencies turns, bool isInterleaved)
    {
        (this.turns, this.isInterleaved, rotaryDim) = (turns, isInterleaved, turns.RotaryDim);
        table = RotaryTable.Of(turns);
    }

    /// <summary>Features of each head that turn, R.</summary>
    internal long RotaryDim => rotaryDim;

    /// <summary>The frequencies.</summary>
    internal RotaryFrequencies Turns => turns;

    /// <summary>Whether pairs are neighbours.</summary>
    internal bool IsInterleaved => isInterleaved;

    /// <summary>The phases by position.</summary>
    internal RotaryTable Table => table;

    /// <inheritdoc/>
    public override bool TurnsKeys => true;

    /// <inheritdoc/>
    public override bool IsBiasFree => true;

    /// <inheritdoc/>
    public override bool IsRelative => turns.Growth is null;

    /// <summary>Its name, with that of a scaling that tells positions apart.</summary>
    public override string ToString() => IsRelative ? nameof(RotaryEmbedding) : $"rotary positions with {nameof(DynamicRotaryScaling)}.{nameof(DynamicRotaryScaling.IsPerToken)} = true";

    /// <inheritdoc/>
    public override Tensor EncodeQueries(Tensor queries, Tensor positions) => Rotate(queries, positions, false);

    /// <inheritdoc/>
    public override Tensor EncodeKeys(Tensor keys, Tensor positions) => Rotate(keys, positions, false);

    /// <inheritdoc/>
    public override Tensor DecodeKeys(Tensor keys, Tensor positions) => Rotate(keys, positions, true);

    private Tensor Rotate(Tensor x, Tensor positions, bool isBack)
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
        var phases = Phases(positions, x);
        if (RotaryTurn.Serves(x) && !(isBack && turns.Amplitude != 1))
            return HalfPrecision.Narrow(RotaryTurn.Turn(x, phases, isInterleaved, isBack), dtype).MoveToOuterDisposeScope();
        var (cos, sin) = (phases.narrow(-1, 0, half), phases.narrow(-1, half, half));
        if (isBack)
            sin = sin.neg();
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
        if (isBack && turns.Amplitude != 1)
            turned /= turns.Amplitude * turns.Amplitude; // both ways multiply by it
        var rest = x.size(-1) - rotaryDim;
        var all = rest == 0 ? turned : cat([turned, x.narrow(-1, rotaryDim, rest)], -1);
        return HalfPrecision.Narrow(all, dtype).MoveToOuterDisposeScope();
    }

    // (B or 1, 1, L, R): cosines, then sines.
    private Tensor Phases(Tensor positions, Tensor x)
    {
        var rows = positions.size(0) > 1 && positions.stride(0) == 0 ? positions.narrow(0, 0, 1) : positions; // rows of a uniform batch share theirs
        if (x.device_type != DeviceType.CPU)
        {
            var (cos, sin) = DevicePhases(rows, x.dtype);
            return cat([cos, sin], -1);
        }
        var read = HostValues.Read(rows);
        var all = empty([rows.size(0), 1, rows.size(1), rotaryDim], x.dtype);
        if (x.dtype == ScalarType.Float64)
        {
            using var memory = new TensorMemory<double>(all, nameof(positions));
            for (var index = 0; index < read.Length; index++)
                table.Read(read[index], memory.Span(index * rotaryDim, (int)rotaryDim));
        }
        else
        {
            using var memory = new TensorMemory<float>(all, nameof(positions));
            for (var index = 0; index < read.Length; index++)
                table.Read(read[index], memory.Span(index * rotaryDim, (int)rotaryDim));
        }
        return all;
    }

    /// <summary>Cosines and sines (B or 1, 1, L, R/2) made where the positions lie: reading them would stall an accelerator's stream, and
    /// the table lies on the host.</summary>
    internal (Tensor Cos, Tensor Sin) DevicePhases(Tensor positions, ScalarType dtype)
    {
        Tensor frequencies; // (R/2) or (B or 1, L, R/2)
        if (turns.Growth is { } growth)
        {
            var t = arange(0, rotaryDim / 2, dtype: ScalarType.Float64, device: positions.device);
            frequencies = (growth.Slopes(positions, rotaryDim).unsqueeze(-1) * t).exp();
        }
        else if (wavelength is { } plain)
        {
            var t = arange(0, rotaryDim / 2, dtype: ScalarType.Float64, device: positions.device);
            frequencies = (t * (-2.0 / rotaryDim * Math.Log(plain))).exp();
        }
        else
        {
            frequencies = tensor(turns.ToArray(), dtype: ScalarType.Float64, device: positions.device);
        }
        var phases = positions.to(ScalarType.Float64).unsqueeze(-1) * frequencies; // (B or 1, L, R/2)
        var (cos, sin) = (phases.cos(), phases.sin());
        if (turns.Amplitude != 1)
            (cos, sin) = (cos * turns.Amplitude, sin * turns.Amplitude);
        return (cos.to(dtype).unsqueeze(1), sin.to(dtype).unsqueeze(1));
    }

    private static RotaryFrequencies Plain(long rotaryDim, double wavelength)
    {
        Check(rotaryDim, wavelength);
        return RotaryFrequencies.Plain(rotaryDim, wavelength);
    }

    /// <summary>Fails for a width or a base that rotary cannot have.</summary>
    internal static void Check(long rotaryDim, double wavelength)
    {
        if (!(wavelength > 0 && double.IsFinite(wavelength)))
            throw new ArgumentOutOfRangeException(nameof(wavelength), wavelength, "The base of rotary positions is a positive, finite number.");
        if (rotaryDim <= 0 || rotaryDim % 2 != 0)
            throw new ArgumentException($"{rotaryDim} features cannot turn: rotary turns pairs of features, so their number is even and positive.", nameof(rotaryDim));
        if (rotaryDim > WidestTurn)
            throw new ArgumentOutOfRangeException(nameof(rotaryDim), rotaryDim, $"Rotary turns at most {WidestTurn} features of a head.");
    }
}
