namespace LmKit;

/// <summary>Symbols of one word while pairs of them are merged: the pair of the lowest rank first, of equal ones the leftmost.</summary>
internal sealed class MergeBuffer
{
    private const int ShortWord = 40;

    private int[] ids = new int[256];
    private int[] lengths = new int[256];
    private int[] next = new int[256];
    private int[] previous = new int[256];
    private int[] ranks = new int[256];
    private readonly PriorityQueue<(int Place, int Left, int Right), (int Rank, int Place)> queue = new();

    internal int Count { get; private set; }

    internal ReadOnlySpan<int> Ids => ids.AsSpan(0, Count);

    internal ReadOnlySpan<int> Lengths => lengths.AsSpan(0, Count);

    internal void Clear() => Count = 0;

    internal void Add(int id, int length)
    {
        if (Count == ids.Length)
            Grow();
        (ids[Count], lengths[Count]) = (id, length);
        Count++;
    }

    internal void Trim(int kept)
    {
        if (ids.Length <= kept)
            return;
        (ids, lengths, next, previous, ranks) = (new int[256], new int[256], new int[256], new int[256], new int[256]);
        queue.TrimExcess();
    }

    /// <summary>Merges until no pair is left that the table knows.</summary>
    internal void Merge(PairTable pairs)
    {
        if (Count < 2)
            return;
        if (Count <= ShortWord)
            MergeShort(pairs);
        else
            MergeLong(pairs);
    }

    // Few symbols: the best pair is looked for anew each time, and the rest moves up.
    private void MergeShort(PairTable pairs)
    {
        var count = Count;
        for (var place = 0; place + 1 < count; place++)
            ranks[place] = pairs.Rank(ids[place], ids[place + 1]);
        while (count > 1)
        {
            var (best, at) = (int.MaxValue, -1);
            for (var place = 0; place < count - 1; place++)
            {
                if (ranks[place] < best)
                    (best, at) = (ranks[place], place);
            }
            if (at < 0)
                break;
            ids[at] = pairs.Merged(ids[at], ids[at + 1]);
            lengths[at] += lengths[at + 1];
            count--;
            var moved = count - at - 1;
            Array.Copy(ids, at + 2, ids, at + 1, moved);
            Array.Copy(lengths, at + 2, lengths, at + 1, moved);
            if (moved > 0)
                Array.Copy(ranks, at + 2, ranks, at + 1, moved - 1);
            if (at + 1 < count)
                ranks[at] = pairs.Rank(ids[at], ids[at + 1]);
            if (at > 0)
                ranks[at - 1] = pairs.Rank(ids[at - 1], ids[at]);
        }
        Count = count;
    }

    // Many: a queue of pairs, in which those that are no longer there are passed over.
    private void MergeLong(PairTable pairs)
    {
        queue.Clear();
        for (var place = 0; place < Count; place++)
        {
            (previous[place], next[place]) = (place - 1, place + 1 < Count ? place + 1 : -1);
            if (place > 0)
                Enqueue(pairs, place - 1, place);
        }
        while (queue.TryDequeue(out var pair, out _))
        {
            var (left, leftId, rightId) = pair;
            var right = next[left];
            if (ids[left] != leftId || right < 0 || ids[right] != rightId)
                continue;
            ids[left] = pairs.Merged(leftId, rightId);
            lengths[left] += lengths[right];
            ids[right] = -1;
            next[left] = next[right];
            if (next[right] >= 0)
            {
                previous[next[right]] = left;
                Enqueue(pairs, left, next[right]);
            }
            if (previous[left] >= 0)
                Enqueue(pairs, previous[left], left);
        }
        var kept = 0;
        for (var place = 0; place >= 0; place = next[place])
            (ids[kept], lengths[kept++]) = (ids[place], lengths[place]);
        Count = kept;
    }

    private void Enqueue(PairTable pairs, int left, int right)
    {
        var rank = pairs.Rank(ids[left], ids[right]);
        if (rank != int.MaxValue)
            queue.Enqueue((left, ids[left], ids[right]), (rank, left));
    }

    private void Grow()
    {
        Array.Resize(ref ids, 2 * Count);
        Array.Resize(ref lengths, 2 * Count);
        Array.Resize(ref next, 2 * Count);
        Array.Resize(ref previous, 2 * Count);
        Array.Resize(ref ranks, 2 * Count);
    }
}

/// <summary>Merges by the pair of ids that they join: rank and what comes of it.</summary>
internal sealed class PairTable
{
    private readonly ulong[] keys; // pair and 1, so that 0 is empty
    private readonly (int Rank, int Id)[] values;
    private readonly int shift;

    /// <summary>Makes the table; of a pair that is there twice the last counts.</summary>
    internal PairTable(IReadOnlyList<(int Left, int Right, int Rank, int Id)> merges)
    {
        var bits = 4;
        while (1 << bits < 2 * merges.Count)
            bits++;
        (keys, values, shift) = (new ulong[1 << bits], new (int, int)[1 << bits], 64 - bits);
        foreach (var (left, right, rank, id) in merges)
        {
            var key = Key(left, right);
            var place = Place(key);
            while (keys[place] != 0 && keys[place] != key)
                place = (place + 1) & (keys.Length - 1);
            (keys[place], values[place]) = (key, (rank, id));
        }
    }

    /// <summary>The rank of a pair, or <see cref="int.MaxValue"/> for none.</summary>
    internal int Rank(int left, int right)
    {
        var place = Find(Key(left, right));
        return place < 0 ? int.MaxValue : values[place].Rank;
    }

    /// <summary>What a pair becomes, which must be there.</summary>
    internal int Merged(int left, int right) => values[Find(Key(left, right))].Id;

    private int Find(ulong key)
    {
        for (var place = Place(key); ; place = (place + 1) & (keys.Length - 1))
        {
            if (keys[place] == key)
                return place;
            if (keys[place] == 0)
                return -1;
        }
    }

    private int Place(ulong key) => (int)((key * 0x9e3779b97f4a7c15UL) >> shift);

    private static ulong Key(int left, int right) => (((ulong)(uint)left << 32) | (uint)right) + 1;
}
