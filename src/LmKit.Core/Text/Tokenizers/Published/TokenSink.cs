namespace LmKit;

/// <summary>What one encoding writes into and works with; one thread at a time.</summary>
internal sealed class TokenSink
{
    private const int Kept = 1 << 16;

    /// <summary>The ids.</summary>
    internal List<int> Ids { get; private set; } = [];

    /// <summary>How many characters of its piece each id stands for; null where nobody asks.</summary>
    internal List<int>? Lengths { get; set; }

    /// <summary>Pieces while they are split.</summary>
    internal Pieces Pieces { get; } = new();

    /// <summary>Tokens of words met before.</summary>
    internal WordCache Cache { get; } = new();

    /// <summary>Symbols while they are merged.</summary>
    internal MergeBuffer Merges { get; } = new();

    /// <summary>Takes the ids out and begins anew.</summary>
    internal List<int> Take()
    {
        var ids = Ids;
        Ids = [];
        Lengths = null;
        Pieces.Trim();
        Merges.Trim(Kept);
        return ids;
    }
}

/// <summary>Tokens of short words, of a bounded number; a newer word may push an older one out.</summary>
internal sealed class WordCache
{
    /// <summary>The longest word that is kept.</summary>
    internal const int LongestWord = 48;

    private const int Slots = 1 << 15;
    private const int Ways = 4;
    private const int ArenaLength = 1 << 19;

    private readonly Slot[] slots = new Slot[Slots];
    private char[] words = new char[1 << 14];
    private int[] tokens = new int[1 << 13];
    private int wordEnd;
    private int tokenEnd;

    private struct Slot
    {
        internal uint Hash; // never 0 in use
        internal int Word;
        internal int Tokens;
        internal short Length;
        internal short Count;
    }

    /// <summary>Adds the ids of a word that is known.</summary>
    internal bool TryAdd(ReadOnlySpan<char> word, uint hash, List<int> ids)
    {
        var start = (int)((hash >> 1) % Slots) & ~(Ways - 1);
        for (var way = 0; way < Ways; way++)
        {
            ref var slot = ref slots[start + way];
            if (slot.Hash != hash || slot.Length != word.Length || !word.SequenceEqual(words.AsSpan(slot.Word, slot.Length)))
                continue;
            if (slot.Count == 1)
                ids.Add(tokens[slot.Tokens]);
            else
                ids.AddRange(tokens.AsSpan(slot.Tokens, slot.Count));
            return true;
        }
        return false;
    }

    /// <summary>Keeps what a word's tokens are.</summary>
    internal void Keep(ReadOnlySpan<char> word, uint hash, ReadOnlySpan<int> ids)
    {
        if (wordEnd + word.Length > ArenaLength || tokenEnd + ids.Length > ArenaLength)
        {
            Array.Clear(slots);
            (wordEnd, tokenEnd) = (0, 0);
        }
        if (wordEnd + word.Length > words.Length)
            Array.Resize(ref words, Math.Min(2 * words.Length, ArenaLength));
        if (tokenEnd + ids.Length > tokens.Length)
            Array.Resize(ref tokens, Math.Min(2 * tokens.Length, ArenaLength));
        var start = (int)((hash >> 1) % Slots) & ~(Ways - 1);
        var way = 0;
        while (way < Ways - 1 && slots[start + way].Hash != 0)
            way++;
        if (slots[start + way].Hash != 0)
            way = (int)(hash >> 28) % Ways;
        word.CopyTo(words.AsSpan(wordEnd));
        ids.CopyTo(tokens.AsSpan(tokenEnd));
        slots[start + way] = new Slot { Hash = hash, Word = wordEnd, Tokens = tokenEnd, Length = (short)word.Length, Count = (short)ids.Length };
        wordEnd += word.Length;
        tokenEnd += ids.Length;
    }

    /// <summary>A number that tells most words apart; never 0.</summary>
    internal static uint Hash(ReadOnlySpan<char> word)
    {
        var hash = 0x9e3779b97f4a7c15UL + (ulong)word.Length;
        var bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(word);
        while (bytes.Length >= 8)
        {
            hash = (hash ^ System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(bytes)) * 0xff51afd7ed558ccdUL;
            hash ^= hash >> 32;
            bytes = bytes[8..];
        }
        for (var place = 0; place + 1 < bytes.Length; place += 2)
            hash = (hash ^ bytes[place] ^ ((ulong)bytes[place + 1] << 8)) * 0xc4ceb9fe1a85ec53UL;
        hash ^= hash >> 29;
        hash *= 0xff51afd7ed558ccdUL;
        return (uint)(hash >> 32) | 1;
    }
}
