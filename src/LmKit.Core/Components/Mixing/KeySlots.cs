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
    private bool isShared;         // a fork reads the same arrays

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
        Own();
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

    /// <summary>The same slots, whose numbers are copied when one of the two writes.</summary>
    internal KeySlots Share()
    {
        isShared = true;
        return new KeySlots(batch) { Count = Count, capacity = capacity, positions = positions, documents = documents, isShared = true };
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

    /// <summary>Lets the last slots go.</summary>
    /// <param name="count">Slots that stay.</param>
    /// <param name="mayBeAlike">Whether one row may stand for all again, if they have become alike.</param>
    internal void Cut(int count, bool mayBeAlike)
    {
        Count = count;
        if (documents is not null && mayBeAlike && AreAlike())
            (positions, documents, capacity) = (Positions(0).ToArray(), null, count);
    }

    /// <summary>Keeps some slots of each row, in their order; a row that keeps fewer than another begins with slots of document -1.</summary>
    /// <param name="kept">Per row (one row while they are alike) the slots to keep, ascending.</param>
    /// <param name="width">The longest row's number of them.</param>
    internal void Select(IReadOnlyList<List<int>> kept, int width)
    {
        if (documents is null)
        {
            Own();
            for (var target = 0; target < width; target++)
                positions[target] = positions[kept[0][target]];
            Count = width;
            return;
        }
        var (chosen, ids) = (new long[batch * capacity], new long[batch * capacity]);
        for (var row = 0; row < batch; row++)
        {
            var to = row * capacity;
            ids.AsSpan(to, width - kept[row].Count).Fill(-1);
            to += width - kept[row].Count;
            foreach (var slot in kept[row])
            {
                chosen[to] = positions[row * capacity + slot];
                ids[to++] = documents[row * capacity + slot];
            }
        }
        (positions, documents, Count, isShared) = (chosen, ids, width, false);
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

    private bool AreAlike()
    {
        for (var row = 0; row < batch; row++)
        {
            if (Documents(row).ContainsAnyExcept(0) || !Positions(row).SequenceEqual(Positions(0)))
                return false;
        }
        return batch > 0;
    }

    private void Own()
    {
        if (isShared)
            (positions, documents) = ([.. positions], documents is null ? null : [.. documents]);
        isShared = false;
    }

    private void Spread()
    {
        var row = Positions(0).ToArray();
        positions = new long[batch * capacity];
        documents = new long[batch * capacity];
        for (var index = 0; index < batch; index++)
            row.CopyTo(positions.AsSpan(index * capacity));
        isShared = false;
    }

    private void Resize(int wider)
    {
        positions = Widened(positions);
        documents = documents is null ? null : Widened(documents);
        (capacity, isShared) = (wider, false);

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
