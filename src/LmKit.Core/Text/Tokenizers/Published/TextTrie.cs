namespace LmKit;

/// <summary>Texts by their characters: nodes, of which the first is 0, and the edges between them.</summary>
internal sealed class TextTrie
{
    // Chosen anew in each process, so that no file can be made whose edges or pairs collide.
    internal static readonly ulong Multiplier = (ulong)Random.Shared.NextInt64() | 1;

    private const int FirstBits = 8;

    private ulong[] keys = new ulong[1 << FirstBits]; // edge and 1, so that 0 is empty
    private int[] nodes = new int[1 << FirstBits];
    private int shift = 64 - FirstBits;

    /// <summary>How many nodes there are.</summary>
    internal int Count { get; private set; } = 1;

    /// <summary>The node behind another one's character, or -1.</summary>
    internal int Next(int node, char character)
    {
        var key = Key(node, character);
        for (var place = Place(key); ; place = (place + 1) & (keys.Length - 1))
        {
            if (keys[place] == key)
                return nodes[place];
            if (keys[place] == 0)
                return -1;
        }
    }

    /// <summary>The node where a text ends, which is made if it is not there.</summary>
    internal int Add(ReadOnlySpan<char> text)
    {
        var node = 0;
        foreach (var character in text)
        {
            var next = Next(node, character);
            if (next < 0)
            {
                if (2 * Count > keys.Length)
                    Grow();
                next = Count++;
                Put(Key(node, character), next);
            }
            node = next;
        }
        return node;
    }

    private static ulong Key(int node, char character) => (((ulong)node << 16) | character) + 1;

    private int Place(ulong key) => (int)((key * Multiplier) >> shift);

    private void Put(ulong key, int node)
    {
        var place = Place(key);
        while (keys[place] != 0)
            place = (place + 1) & (keys.Length - 1);
        (keys[place], nodes[place]) = (key, node);
    }

    private void Grow()
    {
        var (oldKeys, oldNodes) = (keys, nodes);
        (keys, nodes, shift) = (new ulong[2 * oldKeys.Length], new int[2 * oldKeys.Length], shift - 1);
        for (var place = 0; place < oldKeys.Length; place++)
        {
            if (oldKeys[place] != 0)
                Put(oldKeys[place], oldNodes[place]);
        }
    }
}
