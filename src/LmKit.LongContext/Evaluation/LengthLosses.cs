namespace LmKit;

/// <summary>The mean loss of the tokens that are predicted at some positions.</summary>
/// <param name="From">The first position.</param>
/// <param name="To">Where the bucket ends; null for the last one, which is open.</param>
/// <param name="Loss">The mean loss in nats, with its standard error over pieces of text.</param>
public sealed record LengthBucket(long From, long? To, Estimate Loss)
{
    /// <summary>The positions, such as <c>64-127</c>.</summary>
    public string Name => NameOf(From, To);

    internal static string NameOf(long from, long? to) => to is { } end ? FormattableString.Invariant($"{from}-{end - 1}") : FormattableString.Invariant($"{from}+");
}

/// <summary>Loss by position of texts that were read through a state.</summary>
/// <remarks>A token's position is that of the token from which it is predicted: how many tokens of the text, a prefix included, stand before that one.</remarks>
public sealed class LengthLosses
{
    // Units of the standard error are pieces of this many positions of one text: long enough to be nearly independent, and the same for any chunks.
    private const long PieceLength = 256;

    private readonly long[] edges;
    private readonly SortedDictionary<(int Bucket, int Text, long Piece), (double Sum, long Count)> pieces = [];

    internal LengthLosses(IReadOnlyList<long> edges) => this.edges = [.. edges];

    /// <summary>The buckets that hold a token, in order of position.</summary>
    public IReadOnlyList<LengthBucket> Buckets => [.. pieces.GroupBy(piece => piece.Key.Bucket).Select(group => new LengthBucket(From(group.Key), To(group.Key), Mean([.. group.Select(piece => piece.Value)], "")))];

    /// <summary>The mean loss of all tokens.</summary>
    public Estimate Loss => Mean([.. pieces.Values], "");

    /// <summary>Tokens of the longest text, a prefix included.</summary>
    public long Longest { get; private set; }

    /// <summary>The most bytes that a text's state held at the end of a call, without room that was spare.</summary>
    public long StateBytes { get; private set; }

    /// <summary>The most bytes that the buffers of a text's keys and values had between calls, room that was spare included.</summary>
    public long CacheBytes { get; private set; }

    /// <summary>How much larger the mean loss of a bucket is here than in another reading of the same texts, with the error of the paired pieces.</summary>
    /// <param name="other">The other reading, such as one under another mask.</param>
    /// <param name="from">Where the bucket begins.</param>
    /// <exception cref="ArgumentException">They are not of the same texts and buckets, or no bucket begins there.</exception>
    public Estimate Over(LengthLosses other, long from)
    {
        ArgumentNullException.ThrowIfNull(other);
        var bucket = BucketOf(from);
        var (own, others) = (Pieces(bucket), other.Pieces(bucket));
        if (From(bucket) != from || own.Length == 0)
            throw new ArgumentException($"No bucket with tokens begins at {from}; they begin at {string.Join(", ", Buckets.Select(one => one.From))}.", nameof(from));
        if (!edges.AsSpan().SequenceEqual(other.edges) || !own.Select(piece => (piece.Key, piece.Value.Count)).SequenceEqual(others.Select(piece => (piece.Key, piece.Value.Count))))
            throw new ArgumentException("The readings are of other texts or other buckets; read the same texts with the same edges.", nameof(other));
        return Mean([.. own.Zip(others, (first, second) => (first.Value.Sum - second.Value.Sum, first.Value.Count))], "paired");
    }

    /// <summary>The bucket of a position.</summary>
    internal int BucketOf(long position)
    {
        var index = Array.BinarySearch(edges, position);
        return index >= 0 ? index + 1 : ~index;
    }

    /// <summary>Where a bucket begins.</summary>
    internal long From(int bucket) => bucket == 0 ? 0 : edges[bucket - 1];

    /// <summary>Where it ends; null for the open one.</summary>
    internal long? To(int bucket) => bucket < edges.Length ? edges[bucket] : null;

    /// <summary>The mean loss of what is predicted from a position on.</summary>
    internal Estimate LossFrom(long position) => Mean([.. pieces.Where(piece => From(piece.Key.Bucket) >= position).Select(piece => piece.Value)], "");

    internal void Add(int text, long position, double loss)
    {
        var key = (BucketOf(position), text, position / PieceLength);
        var (sum, count) = pieces.GetValueOrDefault(key);
        pieces[key] = (sum + loss, count + 1);
    }

    internal void Note(long length, long stateBytes, long cacheBytes) =>
        (Longest, StateBytes, CacheBytes) = (Math.Max(Longest, length), Math.Max(StateBytes, stateBytes), Math.Max(CacheBytes, cacheBytes));

    private KeyValuePair<(int Bucket, int Text, long Piece), (double Sum, long Count)>[] Pieces(int bucket) => [.. pieces.Where(piece => piece.Key.Bucket == bucket)];

    private static Estimate Mean((double Sum, long Count)[] units, string method) =>
        Estimate.OfUnits([.. units.Select(unit => unit.Sum)], [.. units.Select(unit => unit.Count)], "pieces", method);
}
