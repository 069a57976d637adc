using static TorchSharp.torch;

namespace LmKit;

/// <summary>The position and the document of every key that a cache holds, on the host.</summary>
/// <remarks>One row stands for all while the rows are alike (<see cref="IsUniform"/>): its positions ascend, and every key is of
/// document 0. Otherwise a dropped or padded slot has document -1.</remarks>
internal sealed class KeySlots
{
    private readonly int batch;
    private long[] positions = []; // [rows][capacity]
    private long[]? documents;     // the same; null while the rows are alike
    private int capacity;

    internal KeySlots(long batch) => this.batch = (int)batch;

    /// <summary>Slots in use per row.</summary>
    internal int Count { get; private set; }

    /// <summary>Whether one row stands for all.</summary>
    internal bool IsUniform => documents is null;

    private int Rows => IsUniform ? 1 : batch;

    /// <summary>The positions of a row's slots.</summary>
    internal ReadOnlySpan<long> Positions(long row) => positions.AsSpan(IsUniform ? 0 : (int)row * capacity, Count);

    /// <summary>The documents of a row's slots; none while the rows are alike.</summary>
    internal ReadOnlySpan<long> Documents(long row) => IsUniform ? default : documents.AsSpan((int)row * capacity, Count);

    /// <summary>Takes a call's columns in.</summary>
    internal void Append(SequenceLayout layout)
    {
        if (!layout.IsUniform && IsUniform)
            Spread();
        var length = (int)layout.Length;
        if (Count + length > capacity)
            Resize(Math.Max(2 * capacity, Count + length));
        for (var row = 0; row < Rows; row++)
        {
            for (var column = 0; column < length; column++)
            {
                var slot = row * capacity + Count + column;
                positions[slot] = Math.Max(0, layout.Position(row, column));
                if (documents is not null)
                    documents[slot] = layout.Segment(row, column);
            }
        }
        Count += length;
    }

    /// <summary>Copies the given rows.</summary>
    internal KeySlots Fork(ReadOnlySpan<long> rows)
    {
        var forked = new KeySlots(rows.Length) { Count = Count, capacity = Count };
        if (IsUniform)
        {
            forked.positions = Positions(0).ToArray();
            return forked;
        }
        (forked.positions, forked.documents) = (new long[rows.Length * Count], new long[rows.Length * Count]);
        for (var index = 0; index < rows.Length; index++)
        {
            Positions(rows[index]).CopyTo(forked.positions.AsSpan(index * Count));
            Documents(rows[index]).CopyTo(forked.documents.AsSpan(index * Count));
        }
        return forked;
    }

    /// <summary>Keeps some slots of each row, moved to the front; a row that keeps fewer than another ends with slots of document -1.</summary>
    /// <param name="kept">Per row (one row while they are alike) the slots to keep, ascending.</param>
    /// <param name="width">The longest row's number of them.</param>
    internal void Select(IReadOnlyList<List<int>> kept, int width)
    {
        for (var row = 0; row < Rows; row++)
        {
            for (var target = 0; target < width; target++)
            {
                var (to, isKept) = (row * capacity + target, target < kept[row].Count);
                positions[to] = isKept ? positions[row * capacity + kept[row][target]] : 0;
                if (documents is not null)
                    documents[to] = isKept ? documents[row * capacity + kept[row][target]] : -1;
            }
        }
        Count = width;
    }

    /// <summary>Positions (B, M) int64 on a device.</summary>
    internal Tensor PositionTensor(Device device) => OnDevice(Packed(positions), device);

    /// <summary>Documents (B, M) int64 on a device.</summary>
    internal Tensor DocumentTensor(Device device) =>
        documents is null ? zeros(batch, Count, dtype: ScalarType.Int64, device: device) : OnDevice(Packed(documents), device);

    /// <summary>Rebuilds them from saved numbers.</summary>
    /// <param name="savedPositions">Row after row, 0 or more.</param>
    /// <param name="savedDocuments">Row after row, -1 or more.</param>
    /// <param name="cursor">Where the rows stand.</param>
    /// <exception cref="ArgumentException">The rows are said to be alike, and are not.</exception>
    internal static KeySlots FromArrays(long[] savedPositions, long[] savedDocuments, DocumentCursor cursor)
    {
        var batch = (int)cursor.Batch;
        var count = batch == 0 ? 0 : savedPositions.Length / batch;
        var slots = new KeySlots(batch) { Count = count, capacity = count };
        if (!cursor.IsUniform)
        {
            (slots.positions, slots.documents) = ([.. savedPositions], [.. savedDocuments]);
            return slots;
        }
        slots.positions = savedPositions[..count];
        var last = -1L;
        foreach (var position in slots.positions)
        {
            if (position <= last)
                throw new ArgumentException("The saved positions do not ascend, though the cursor says that all rows stand alike.", nameof(savedPositions));
            last = position;
        }
        if (batch > 0 && last >= cursor.Counts[0])
            throw new ArgumentException($"The saved positions reach {last}, though only {cursor.Counts[0]} tokens came so far.", nameof(savedPositions));
        for (var row = 1; row < batch; row++)
        {
            if (!savedPositions.AsSpan(row * count, count).SequenceEqual(slots.positions))
                throw new ArgumentException("The saved positions differ from row to row, though the cursor says that all rows stand alike.", nameof(savedPositions));
        }
        if (savedDocuments.AsSpan().ContainsAnyExcept(0))
            throw new ArgumentException("The saved documents are not all 0, though the cursor says that all rows stand alike.", nameof(savedDocuments));
        return slots;
    }

    private void Spread()
    {
        var row = Positions(0).ToArray();
        positions = new long[batch * capacity];
        documents = new long[batch * capacity];
        for (var index = 0; index < batch; index++)
            row.CopyTo(positions.AsSpan(index * capacity));
    }

    private void Resize(int wider)
    {
        positions = Widened(positions);
        documents = documents is null ? null : Widened(documents);
        capacity = wider;

        long[] Widened(long[] from)
        {
            var to = new long[Rows * wider];
            for (var row = 0; row < Rows; row++)
                from.AsSpan(row * capacity, Count).CopyTo(to.AsSpan(row * wider));
            return to;
        }
    }

    // The slots in use, row after row: (1 or B, M).
    private long[] Packed(long[] numbers)
    {
        if (capacity == Count)
            return numbers;
        var packed = new long[Rows * Count];
        for (var row = 0; row < Rows; row++)
            numbers.AsSpan(row * capacity, Count).CopyTo(packed.AsSpan(row * Count));
        return packed;
    }

    private Tensor OnDevice(long[] packed, Device device)
    {
        using var host = Count == 0 || packed.Length == 0 ? zeros(Rows, Count, dtype: ScalarType.Int64) : tensor(packed, [Rows, Count]);
        using var moved = host.to(device);
        return moved.expand(batch, Count);
    }
}
