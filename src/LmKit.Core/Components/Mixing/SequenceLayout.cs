using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The documents and positions of one call's columns, read once on the host.</summary>
/// <remarks>A token's position is the count of valid tokens of its own document before it, padding not counted; rows differ.</remarks>
public sealed class SequenceLayout
{
    private readonly long[]? segments;
    private readonly long[]? positions;
    private readonly long start;

    private SequenceLayout(long batch, long length, long start, long[]? segments, long[]? positions)
    {
        Batch = batch;
        Length = length;
        this.start = start;
        this.segments = segments;
        this.positions = positions;
    }

    /// <summary>Rows B.</summary>
    public long Batch { get; }

    /// <summary>New columns L.</summary>
    public long Length { get; }

    /// <summary>Whether all rows are one document that goes on, without padding, at the same position: the fast case.</summary>
    public bool IsUniform => segments is null;

    /// <summary>The position of the first new column when <see cref="IsUniform"/>.</summary>
    public long Start => start;

    /// <summary>Reads a call's segments and moves the cursor past its columns.</summary>
    /// <param name="batch">Rows of the input.</param>
    /// <param name="length">Columns of the input.</param>
    /// <param name="segments">(B, L) int64 or null, as in <see cref="SequenceContext"/>.</param>
    /// <param name="cursor">Where the rows stand; null for the start of sequences.</param>
    /// <exception cref="ArgumentException">The segments or the cursor do not fit the input.</exception>
    public static SequenceLayout Read(long batch, long length, Tensor? segments, DocumentCursor? cursor = null)
    {
        cursor ??= new DocumentCursor(batch);
        if (cursor.Batch != batch)
            throw new ArgumentException($"The state has {cursor.Batch} rows and the input {batch}.", nameof(cursor));
        var ids = segments is null ? null : Ids(segments, batch, length);
        if (cursor.IsUniform && (ids is null || Continues(ids, cursor)))
        {
            var start = batch > 0 ? cursor.Counts[0] : 0;
            cursor.AdvanceAll(length);
            return new SequenceLayout(batch, length, start, null, null);
        }
        cursor.MarkRagged();
        ids ??= Repeat(cursor.Documents, length);
        var positions = new long[ids.Length];
        for (long row = 0, index = 0; row < batch; row++)
        {
            for (var column = 0; column < length; column++, index++)
                positions[index] = cursor.Advance(row, ids[index]);
        }
        return new SequenceLayout(batch, length, 0, ids, positions);
    }

    /// <summary>The document of a token, -1 for padding.</summary>
    public long Segment(long row, long column) => segments is null ? 0 : segments[row * Length + column];

    /// <summary>The position of a token in its document, -1 for padding.</summary>
    public long Position(long row, long column) => positions is null ? start + column : positions[row * Length + column];

    /// <summary>Positions (B, L) int64 on a device; padding has 0.</summary>
    public Tensor PositionTensor(Device device)
    {
        if (positions is null)
        {
            using var one = arange(start, start + Length, dtype: ScalarType.Int64, device: device);
            return one.expand(Batch, Length);
        }
        using var host = tensor(positions, [Batch, Length]);
        using var clamped = host.clamp(min: 0);
        return clamped.to(device);
    }

    /// <summary>Document ids (B, L) int64 on a device.</summary>
    public Tensor SegmentTensor(Device device)
    {
        if (segments is null)
            return zeros(Batch, Length, dtype: ScalarType.Int64, device: device);
        using var host = tensor(segments, [Batch, Length]);
        return host.to(device);
    }

    /// <summary>The encoding of this call's documents: the given one, or, where its angles depend on the length, the one of each row's text
    /// as long as it is after this call.</summary>
    /// <param name="encoding">The encoding of the layer, or null.</param>
    /// <exception cref="NotSupportedException">A document goes on from a carried state whose keys were encoded at another length, or a row
    /// holds several documents and one of them is longer than the trained length.</exception>
    public PositionEncoding? EncodingOf(PositionEncoding? encoding) =>
        encoding is { TrainedLength: { } trained } ? LengthEncodings.For(encoding, trained, this) : encoding;

    private static long[] Ids(Tensor segments, long batch, long length)
    {
        if (segments.dtype != ScalarType.Int64 || segments.dim() != 2 || segments.size(0) != batch || segments.size(1) != length)
        {
            throw new ArgumentException(
                $"Segments are int64 of shape ({batch}, {length}) like the input; got {segments.dtype} ({string.Join(", ", segments.shape)}).",
                nameof(segments));
        }
        return HostValues.Read(segments);
    }

    private static bool Continues(long[] ids, DocumentCursor cursor)
    {
        if (ids.Length == 0)
            return true;
        var length = ids.Length / (int)cursor.Batch;
        for (var row = 0; row < cursor.Batch; row++)
        {
            if (ids.AsSpan(row * length, length).ContainsAnyExcept(cursor.Documents[row]))
                return false;
        }
        return true;
    }

    private static long[] Repeat(ReadOnlySpan<long> documents, long length)
    {
        var ids = new long[documents.Length * length];
        for (var row = 0; row < documents.Length; row++)
            ids.AsSpan((int)(row * length), (int)length).Fill(documents[row]);
        return ids;
    }
}
