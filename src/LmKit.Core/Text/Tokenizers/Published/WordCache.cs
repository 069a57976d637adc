namespace LmKit;

/// <summary>Tokens of short words, of a bounded number; a newer word may push an older one out.</summary>
internal sealed class WordCache
{
    /// <summary>The longest word that is kept.</summary>
    internal const int LongestWord = 48;

    private const int FirstSlots = 1 << 11;
    private const int MostSlots = 1 << 16;
    private const int Ways = 4;
    private const int ArenaLength = 1 << 20;

    private Slot[] slots = new Slot[FirstSlots];
    private char[] words = new char[1 << 12];
    private int[] tokens = new int[1 << 12];
    private int wordEnd;
    private int tokenEnd;
    private int used;

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
        var start = First(hash);
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
            (wordEnd, tokenEnd, used) = (0, 0, 0);
        }
        if (used > slots.Length / 2 && slots.Length < MostSlots)
            Grow();
        if (wordEnd + word.Length > words.Length)
            Array.Resize(ref words, 2 * words.Length);
        if (tokenEnd + ids.Length > tokens.Length)
            Array.Resize(ref tokens, 2 * tokens.Length);
        word.CopyTo(words.AsSpan(wordEnd));
        ids.CopyTo(tokens.AsSpan(tokenEnd));
        Put(new Slot { Hash = hash, Word = wordEnd, Tokens = tokenEnd, Length = (short)word.Length, Count = (short)ids.Length });
        wordEnd += word.Length;
        tokenEnd += ids.Length;
    }

    private int First(uint hash) => (int)(hash >> 1) & (slots.Length - Ways);

    private void Put(Slot slot)
    {
        var start = First(slot.Hash);
        var way = 0;
        while (way < Ways && slots[start + way].Hash != 0)
            way++;
        if (way == Ways)
            way = (int)(slot.Hash >> 28) % Ways; // an older word goes
        else
            used++;
        slots[start + way] = slot;
    }

    private void Grow()
    {
        var old = slots;
        slots = new Slot[2 * old.Length];
        used = 0;
        foreach (var slot in old)
        {
            if (slot.Hash != 0)
                Put(slot);
        }
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
