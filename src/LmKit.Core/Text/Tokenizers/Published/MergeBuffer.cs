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
