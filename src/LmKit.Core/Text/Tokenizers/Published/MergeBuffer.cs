namespace LmKit;

/// <summary>Symbols of one word while pairs of them are merged: the pair of the lowest rank first, of equal ones the leftmost.</summary>
internal sealed class MergeBuffer
{
    private const int ShortWord = 40;

    private int[] ids = new int[256];
    private int[] lengths = new int[256];
    private int[] next = new int[256];
    private int[] previous = new int[256];
    private readonly PriorityQueue<(int Place, int Left, int Right, int Made), (int Rank, int Place)> queue = new();

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
        (ids, lengths, next, previous) = (new int[256], new int[256], new int[256], new int[256]);
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
        Span<ulong> found = stackalloc ulong[ShortWord]; // what comes of each symbol and the next
        for (var place = 0; place + 1 < count; place++)
            found[place] = pairs.Find(ids[place], ids[place + 1]);
        while (count > 1)
        {
            var (best, at) = (PairTable.None >> 32, -1);
            for (var place = 0; place < count - 1; place++)
            {
                if (found[place] >> 32 >= best)
                    continue;
                (best, at) = (found[place] >> 32, place);
            }
            if (at < 0)
                break;
            ids[at] = (int)(uint)found[at];
            lengths[at] += lengths[at + 1];
            count--;
            for (var place = at + 1; place < count; place++)
                (ids[place], lengths[place], found[place]) = (ids[place + 1], lengths[place + 1], found[place + 1]);
            if (at + 1 < count)
                found[at] = pairs.Find(ids[at], ids[at + 1]);
            if (at > 0)
                found[at - 1] = pairs.Find(ids[at - 1], ids[at]);
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
            var (left, leftId, rightId, made) = pair;
            var right = next[left];
            if (ids[left] != leftId || right < 0 || ids[right] != rightId)
                continue;
            ids[left] = made;
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
        var found = pairs.Find(ids[left], ids[right]);
        if (found != PairTable.None)
            queue.Enqueue((left, ids[left], ids[right], (int)(uint)found), ((int)(found >> 32), left));
    }

    private void Grow()
    {
        Array.Resize(ref ids, 2 * Count);
        Array.Resize(ref lengths, 2 * Count);
        Array.Resize(ref next, 2 * Count);
        Array.Resize(ref previous, 2 * Count);
    }
}
