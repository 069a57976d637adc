using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Cosines and sines of rotary phases, position * frequency, one row a position; all layers of all models with the same
/// frequencies share one table.</summary>
/// <remarks>Phases are computed in float64. Rows are made in blocks when they are first asked for and kept up to
/// <see cref="LargestBytes"/>: a block stands in the place of the one that many positions before, so a text of any length goes on in the same
/// memory. Earlier positions whose block is gone, and negative ones, are computed; asked for often, they get their block back. Lives on the host
/// and dies with the last encoding that uses it. Thread-safe.</remarks>
internal sealed class RotaryTable
{
    /// <summary>Bytes of the rows that a table keeps at most.</summary>
    internal const long LargestBytes = 8L << 20;

    private const int MostBlockRows = 128;

    // Blocks of any width.
    private const int FewestBlocks = 8;

    private static readonly Lock gate = new();
    private static readonly Dictionary<RotaryFrequencies, WeakReference<RotaryTable>> shared = [];

    [ThreadStatic]
    private static long rowsRead;

    private readonly double[] frequencies; // [R/2]
    private readonly RotaryGrowth? growth;
    private readonly double amplitude;
    private readonly int blockRows;
    private readonly Block?[] blocks; // block i stands at i modulo their number
    private readonly int[] misses;    // rows computed because another block stands there

    private RotaryTable(RotaryFrequencies turns)
    {
        (frequencies, growth, amplitude) = (turns.ToArray(), turns.Growth, turns.Amplitude);
        var rows = LargestBytes / (Width * sizeof(double));
        blockRows = (int)Math.Clamp(rows / FewestBlocks, 1, MostBlockRows);
        blocks = new Block?[Math.Max(1, rows / blockRows)];
        misses = new int[blocks.Length];
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
    internal long HeldRows => blocks.Count(block => block is not null) * (long)blockRows;

    /// <summary>Whether a position's row is kept now.</summary>
    internal bool Holds(long position) => Volatile.Read(ref blocks[(int)(position / blockRows % blocks.Length)])?.Index == position / blockRows;

    /// <summary>Rows that this thread has read so far, of any table: what a call turns, and no more, may add to it.</summary>
    internal static long RowsRead => rowsRead;

    /// <summary>Writes a position's row.</summary>
    /// <param name="position">The position; may be negative.</param>
    /// <param name="row"><see cref="Width"/> numbers.</param>
    internal void Read(long position, Span<double> row)
    {
        rowsRead++;
        if (position < 0 || Held(position / blockRows) is not { } block)
            Compute(position, row);
        else
            block.Rows.AsSpan((int)(position % blockRows) * Width, Width).CopyTo(row);
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

    // The block of that number; null where a later one stands in its place that so far serves more reads.
    private Block? Held(long index)
    {
        var place = (int)(index % blocks.Length);
        var held = Volatile.Read(ref blocks[place]);
        if (held?.Index == index)
            return held;
        // A block costs as much as its rows one by one, so that texts at different places never pay more than twice.
        if (held?.Index > index && Interlocked.Increment(ref misses[place]) < blockRows)
            return null;
        var fresh = new Block(index, new double[blockRows * Width]);
        for (var row = 0; row < blockRows; row++)
            Compute(index * blockRows + row, fresh.Rows.AsSpan(row * Width, Width));
        // Threads that make the same block at once make the same numbers.
        Volatile.Write(ref misses[place], 0);
        Volatile.Write(ref blocks[place], fresh);
        return fresh;
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

    // Never changed once it is held: [row of the block][R/2 cosines, R/2 sines].
    private sealed record Block(long Index, double[] Rows);
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
