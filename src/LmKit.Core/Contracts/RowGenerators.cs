using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Generators on the CPU, one for each row of a batch, so that what a row draws depends on its own alone.</summary>
/// <remarks>Disposes those that it made. Not thread-safe.</remarks>
public sealed class RowGenerators : IReadOnlyList<Generator>, IDisposable
{
    private const long MostRows = 1L << 24;

    private readonly IReadOnlyList<Generator> rows;
    private readonly bool isOwner;

    /// <summary>Makes generators that follow from one seed: row i uses a number derived from the seed and i.</summary>
    /// <param name="rows">How many.</param>
    /// <param name="seed">The seed.</param>
    public RowGenerators(long rows, long seed)
        : this(Made(rows, row => Mix(unchecked((ulong)seed + 0x9E3779B97F4A7C15UL * (ulong)(row + 1)))), isOwner: true)
    {
    }

    private RowGenerators(IReadOnlyList<Generator> rows, bool isOwner) => (this.rows, this.isOwner) = (rows, isOwner);

    /// <inheritdoc/>
    public int Count => rows.Count;

    /// <inheritdoc/>
    public Generator this[int index] => rows[index];

    /// <summary>Makes generators that follow from one: a number drawn from it is their seed, however many there are.</summary>
    /// <param name="random">The generator; on the CPU.</param>
    /// <param name="rows">How many.</param>
    public static RowGenerators Derive(Generator random, long rows)
    {
        ArgumentNullException.ThrowIfNull(random);
        using var drawn = randint(0, long.MaxValue, [1], dtype: ScalarType.Int64, generator: random);
        return new RowGenerators(rows, drawn.item<long>());
    }

    /// <summary>Makes generators of seeds that are given.</summary>
    internal static RowGenerators OfSeeds(IEnumerable<long> seeds) => new([.. seeds.Select(seed => new Generator(unchecked((ulong)seed)))], isOwner: true);

    /// <summary>The generators of a request, which stay the caller's, or fresh ones where it has none.</summary>
    public static RowGenerators Of(SampleRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return request.Generators is { } given ? new RowGenerators(given, isOwner: false) : new RowGenerators(request.Prompt.size(0), System.Random.Shared.NextInt64());
    }

    /// <summary>Some of them, in this order; the whole stays their owner.</summary>
    internal RowGenerators Some(IEnumerable<int> chosen) => new([.. chosen.Select(row => rows[row])], isOwner: false);

    /// <inheritdoc/>
    public IEnumerator<Generator> GetEnumerator() => rows.GetEnumerator();

    System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var random in isOwner ? rows : [])
            random.Dispose();
    }

    private static Generator[] Made(long rows, Func<long, ulong> seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, MostRows);
        return [.. Enumerable.Range(0, (int)rows).Select(row => new Generator(seed(row)))];
    }

    private static ulong Mix(ulong z)
    {
        unchecked
        {
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
            return z ^ (z >> 31);
        }
    }
}
