namespace LmKit;

/// <summary>Merges by the pair of ids that they join: rank and what comes of it.</summary>
internal sealed class PairTable
{
    private readonly ulong[] keys; // pair and 1, so that 0 is empty
    private readonly ulong[] values; // rank and what comes of the pair
    private readonly int shift;

    internal const ulong None = ulong.MaxValue;

    /// <summary>Makes the table; of a pair that is there twice the last counts.</summary>
    internal PairTable(Merge[] merges)
    {
        var bits = 4;
        while (1 << bits < 2 * merges.Length)
            bits++;
        (keys, values, shift) = (new ulong[1 << bits], new ulong[1 << bits], 64 - bits);
        foreach (var (left, right, rank, id) in merges)
        {
            var key = Key(left, right);
            var place = Place(key);
            while (keys[place] != 0 && keys[place] != key)
                place = (place + 1) & (keys.Length - 1);
            (keys[place], values[place]) = (key, ((ulong)(uint)rank << 32) | (uint)id);
        }
    }

    /// <summary>What comes of two ids: the rank in the upper half and the id in the lower one, or <see cref="None"/>.</summary>
    internal ulong Find(int left, int right)
    {
        var key = Key(left, right);
        for (var place = Place(key); ; place = (place + 1) & (keys.Length - 1))
        {
            if (keys[place] == key)
                return values[place];
            if (keys[place] == 0)
                return None;
        }
    }

    private int Place(ulong key) => (int)((key * TextTrie.Multiplier) >> shift);

    private static ulong Key(int left, int right) => (((ulong)(uint)left << 32) | (uint)right) + 1;
}
