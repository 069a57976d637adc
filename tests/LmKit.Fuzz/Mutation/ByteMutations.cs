using System.Buffers.Binary;

namespace LmKit.Fuzz;

/// <summary>Changes that need to know nothing of a file's format.</summary>
internal static class ByteMutations
{
    private static readonly long[] Interesting =
    [
        0, 1, -1, 2, 7, 16, 100, 127, 128, 255, 256, 32767, 32768, 65535, 65536, int.MaxValue, (long)int.MaxValue + 1, int.MinValue, uint.MaxValue,
        1L << 32, 1L << 40, long.MaxValue, long.MinValue, 1_000_000, 100_000_001,
    ];

    internal static byte[] Apply(FuzzRandom random, byte[] data, IReadOnlyList<byte[]> others) => data.Length == 0
        ? Noise(random, 1 + random.Below(16))
        : random.Below(12) switch
        {
            0 or 1 => Flip(random, data),
            2 => Set(random, data),
            3 or 4 => Number(random, data),
            5 => data[..random.Below(data.Length)],
            6 => Without(random, data),
            7 => Twice(random, data),
            8 => Splice(random, data, others),
            9 => Inserted(data, random.Below(data.Length + 1), Noise(random, 1 + random.Below(8))),
            10 => Zeroed(random, data),
            _ => Exchange(random, data),
        };

    internal static byte[] Flip(FuzzRandom random, byte[] data)
    {
        var copy = data.ToArray();
        copy[random.Below(copy.Length)] ^= (byte)(1 << random.Below(8));
        return copy;
    }

    internal static byte[] Set(FuzzRandom random, byte[] data)
    {
        var copy = data.ToArray();
        copy[random.Below(copy.Length)] = random.Pick([(byte)0, (byte)0xFF, (byte)0x7F, (byte)0x80, (byte)random.Below(256)]);
        return copy;
    }

    /// <summary>Puts a number that is often a border over 1, 2, 4 or 8 bytes.</summary>
    internal static byte[] Number(FuzzRandom random, byte[] data)
    {
        var copy = data.ToArray();
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, random.Pick(Interesting));
        var width = Math.Min(1 << random.Below(4), copy.Length);
        if (random.Chance(0.2))
            bytes[..width].Reverse();
        bytes[..width].CopyTo(copy.AsSpan(random.Below(copy.Length - width + 1)));
        return copy;
    }

    internal static byte[] Inserted(byte[] data, int at, ReadOnlySpan<byte> more) => [.. data[..at], .. more, .. data[at..]];

    internal static byte[] Replaced(byte[] data, int start, int end, ReadOnlySpan<byte> with) => [.. data[..start], .. with, .. data[end..]];

    internal static byte[] Noise(FuzzRandom random, int length)
    {
        var noise = new byte[length];
        for (var index = 0; index < length; index++)
            noise[index] = (byte)random.Below(256);
        return noise;
    }

    private static (int Start, int End) Range(FuzzRandom random, byte[] data)
    {
        var start = random.Below(data.Length);
        var length = random.Chance(0.7) ? 1 + random.Below(16) : 1 + random.Below(data.Length);
        return (start, Math.Min(data.Length, start + length));
    }

    private static byte[] Without(FuzzRandom random, byte[] data)
    {
        var (start, end) = Range(random, data);
        return Replaced(data, start, end, []);
    }

    private static byte[] Twice(FuzzRandom random, byte[] data)
    {
        var (start, end) = Range(random, data);
        return Inserted(data, random.Chance(0.5) ? end : random.Below(data.Length + 1), data.AsSpan(start, end - start));
    }

    private static byte[] Splice(FuzzRandom random, byte[] data, IReadOnlyList<byte[]> others)
    {
        if (others.Count == 0)
            return Twice(random, data);
        var other = random.Pick(others);
        var (mine, theirs) = (random.Below(data.Length), random.Below(other.Length + 1));
        return random.Chance(0.5) ? [.. data[..mine], .. other[theirs..]] : Inserted(data, mine, other.AsSpan(theirs, Math.Min(64, other.Length - theirs)));
    }

    private static byte[] Zeroed(FuzzRandom random, byte[] data)
    {
        var (start, end) = Range(random, data);
        var copy = data.ToArray();
        copy.AsSpan(start, end - start).Fill(random.Chance(0.7) ? (byte)0 : (byte)0xFF);
        return copy;
    }

    private static byte[] Exchange(FuzzRandom random, byte[] data)
    {
        var copy = data.ToArray();
        var (a, b) = (random.Below(copy.Length), random.Below(copy.Length));
        (copy[a], copy[b]) = (copy[b], copy[a]);
        return copy;
    }
}
