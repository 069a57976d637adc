using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Cosines and sines of rotary phases, position * frequency, one row a position; all layers of all models with the same
/// frequencies share one table.</summary>
/// <remarks>Phases are computed in float64. Rows are made in blocks when they are first asked for and kept up to
/// <see cref="LargestBytes"/>; positions beyond, and negative ones, are computed at each call. Lives on the host and dies with the last
/// encoding that uses it. Thread-safe.</remarks>
internal sealed class RotaryTable
{
    /// <summary>Bytes of the rows that a table keeps at most.</summary>
    internal const long LargestBytes = 32L << 20;

    private const int BlockRows = 128;

    private static readonly Lock gate = new();
    private static readonly Dictionary<RotaryFrequencies, WeakReference<RotaryTable>> shared = [];

    [ThreadStatic]
    private static long rowsRead;

    private readonly double[] frequencies; // [R/2]
    private readonly RotaryGrowth? growth;
    private readonly double amplitude;
    private readonly double[]?[] blocks;   // [row of the block][R/2 cosines, R/2 sines]

    private RotaryTable(RotaryFrequencies turns)
    {
        (frequencies, growth, amplitude) = (turns.ToArray(), turns.Growth, turns.Amplitude);
        blocks = new double[]?[Math.Max(1, LargestBytes / (BlockRows * Width * sizeof(double)))];
    }

    /// <summary>The table of some frequencies.</summary>
    internal static RotaryTable Of(RotaryFrequencies turns)
    {
        lock (gate)
        {
            if (shared.TryGetValue(turns, out var held) && held.TryGetTarget(out var table))
                return table;
            foreach (var (key, reference) in shared)
            {
                if (!reference.TryGetTarget(out _))
                    _ = shared.Remove(key);
            }
            var made = new RotaryTable(turns);
            shared[turns] = new WeakReference<RotaryTable>(made);
            return made;
        }
    }

    /// <summary>Numbers of a row: R/2 cosines, then R/2 sines.</summary>
    internal int Width => 2 * frequencies.Length;

    /// <summary>Rows that are kept now.</summary>
    internal long HeldRows => blocks.Count(block => block is not null) * (long)BlockRows;

    /// <summary>Rows that this thread has read so far, of any table: what a call turns, and no more, may add to it.</summary>
    internal static long RowsRead => rowsRead;

    /// <summary>Writes a position's row.</summary>
    /// <param name="position">The position; may be negative.</param>
    /// <param name="row"><see cref="Width"/> numbers.</param>
    internal void Read(long position, Span<double> row)
    {
        rowsRead++;
        var block = position < 0 ? -1 : position / BlockRows;
        if (block < 0 || block >= blocks.Length)
            Compute(position, row);
        else
            Block(block).AsSpan((int)(position % BlockRows) * Width, Width).CopyTo(row);
    }

    /// <summary>Writes a position's row in float32.</summary>
    /// <inheritdoc cref="Read(long, Span{double})"/>
    internal void Read(long position, Span<float> row)
    {
        Span<double> wide = Width <= 512 ? stackalloc double[Width] : new double[Width];
        Read(position, wide);
        for (var index = 0; index < wide.Length; index++)
            row[index] = (float)wide[index];
    }

    private double[] Block(long index)
    {
        if (Volatile.Read(ref blocks[index]) is { } made)
            return made;
        var fresh = new double[BlockRows * Width];
        for (var row = 0; row < BlockRows; row++)
            Compute(index * BlockRows + row, fresh.AsSpan(row * Width, Width));
        // Threads that make the same block at once make the same numbers.
        return Interlocked.CompareExchange(ref blocks[index], fresh, null) ?? fresh;
    }

    private void Compute(long position, Span<double> row)
    {
        var slope = position >= growth?.Length ? growth.Slope(position + 1, 2L * frequencies.Length) : (double?)null;
        for (var t = 0; t < frequencies.Length; t++)
        {
            var (sin, cos) = Math.SinCos(position * (slope is { } own ? Math.Exp(t * own) : frequencies[t]));
            (row[t], row[frequencies.Length + t]) = (amplitude * cos, amplitude * sin);
        }
    }
}

/// <summary>A base that grows with the position: base * (F N/O - (F-1))^(R/(R-2)) where position N - 1 lies beyond the trained length O
/// (dynamic NTK as a text that is read token by token meets it).</summary>
/// <param name="Wavelength">The base.</param>
/// <param name="Factor">The factor F.</param>
/// <param name="Length">The trained length O.</param>
internal sealed record RotaryGrowth(double Wavelength, double Factor, long Length)
{
    /// <summary>The base of a text of N tokens.</summary>
    internal double BaseOf(long tokens, long rotaryDim) => tokens <= Length
        ? Wavelength
        : Stretched(Wavelength, (Factor * tokens / Length) - (Factor - 1), rotaryDim);

    /// <summary>base * growth^(R/(R-2)).</summary>
    internal static double Stretched(double wavelength, double growth, long rotaryDim) => wavelength * Math.Pow(growth, Power(rotaryDim));

    /// <summary>ln f_1 of a text of N tokens: its frequencies are f_t = e^(t * slope).</summary>
    internal double Slope(long tokens, long rotaryDim) => -2.0 / rotaryDim * Math.Log(BaseOf(tokens, rotaryDim));

    /// <summary>The same for N = position + 1 of each position, float64 in the caller's dispose scope.</summary>
    internal Tensor Slopes(Tensor positions, long rotaryDim)
    {
        var tokens = positions.to(ScalarType.Float64) + 1;
        var growth = (tokens * (Factor / Length) - (Factor - 1)).masked_fill(tokens.le(Length), 1);
        return (growth.log() * Power(rotaryDim) + Math.Log(Wavelength)) * (-2.0 / rotaryDim);
    }

    // With one pair its frequency is 1 for any base.
    private static double Power(long rotaryDim) => rotaryDim == 2 ? 0 : (double)rotaryDim / (rotaryDim - 2);
}

/// <summary>What tells one rotation from another: the frequency of each pair, and what its cosines and sines are multiplied by.</summary>
/// <remarks>Immutable, and equal by value.</remarks>
internal sealed class RotaryFrequencies : IEquatable<RotaryFrequencies>
{
    private readonly double[] values;
    private readonly int hash;

    /// <summary>Takes the frequencies as they are.</summary>
    /// <param name="values">Radians per position of each pair, [R/2]; kept, never changed.</param>
    /// <param name="amplitude">What cosines and sines are multiplied by.</param>
    /// <param name="growth">How the frequencies go on behind a position; null where they are the same everywhere.</param>
    internal RotaryFrequencies(double[] values, double amplitude = 1, RotaryGrowth? growth = null)
    {
        (this.values, Amplitude, Growth) = (values, amplitude, growth);
        var code = new HashCode();
        code.Add(amplitude);
        code.Add(growth);
        foreach (var value in values)
            code.Add(value);
        hash = code.ToHashCode();
    }

    /// <summary>Features that turn, R.</summary>
    internal long RotaryDim => 2L * values.Length;

    /// <summary>What cosines and sines are multiplied by.</summary>
    internal double Amplitude { get; }

    /// <summary>How the frequencies go on behind a position; null where they are the same everywhere.</summary>
    internal RotaryGrowth? Growth { get; }

    /// <summary>base^(-2t/R) for t = 0 .. R/2 - 1 (Su et al. 2021, section 3.2.2).</summary>
    internal static RotaryFrequencies Plain(long rotaryDim, double wavelength)
    {
        var values = new double[rotaryDim / 2];
        for (var t = 0; t < values.Length; t++)
            values[t] = Math.Exp(t * (-2.0 / rotaryDim * Math.Log(wavelength)));
        return new RotaryFrequencies(values);
    }

    /// <summary>The frequencies.</summary>
    internal double[] ToArray() => [.. values];

    /// <inheritdoc/>
    public bool Equals(RotaryFrequencies? other) => other is not null && Amplitude.Equals(other.Amplitude) && Growth == other.Growth && values.AsSpan().SequenceEqual(other.values);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as RotaryFrequencies);

    /// <inheritdoc/>
    public override int GetHashCode() => hash;
}
