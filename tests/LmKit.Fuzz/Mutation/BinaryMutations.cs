using System.Buffers.Binary;

namespace LmKit.Fuzz;

/// <summary>Changes of safetensors headers and numbers, and of the footer and page headers of Parquet files.</summary>
internal static class BinaryMutations
{
    private const int Prefix = 8;

    internal static byte[] Safetensors(FuzzRandom random, byte[] data, IReadOnlyList<byte[]> others)
    {
        var length = data.Length < Prefix ? -1 : BinaryPrimitives.ReadInt64LittleEndian(data);
        if (length < 2 || length > data.Length - Prefix)
            return ByteMutations.Apply(random, data, others);
        var (header, body) = (data[Prefix..(Prefix + (int)length)], data[(Prefix + (int)length)..]);
        switch (random.Below(8))
        {
            case 0 when body.Length >= 4:
                return [.. data[..^body.Length], .. Special(random, body)];
            case 1:
                return Joined(random.Pick([0L, -1, length + 1, length - 1, long.MaxValue, 100_000_001, 1L << 32]), header, body);
            case 2:
                return Joined(length, header, random.Chance(0.5) ? body[..random.Below(body.Length + 1)] : [.. body, .. ByteMutations.Noise(random, 4)]);
            default:
                header = JsonMutations.Apply(random, header, others);
                return Joined(random.Chance(0.95) ? header.Length : length, header, body);
        }
    }

    internal static byte[] Parquet(FuzzRandom random, byte[] data, IReadOnlyList<byte[]> others)
    {
        var length = data.Length < 12 ? -1 : BinaryPrimitives.ReadInt32LittleEndian(data.AsSpan(data.Length - 8));
        if (length < 1 || length > data.Length - 12)
            return ByteMutations.Apply(random, data, others);
        var start = data.Length - 8 - length;
        var (pages, footer) = (data[..start], data[start..^8]);
        if (random.Chance(0.25))
            pages = Thrift(random, pages, others);
        else
            footer = Thrift(random, footer, others);
        var said = random.Chance(0.95) ? footer.Length : (int)random.Pick([0L, -1, int.MaxValue, length]);
        var end = data[^8..];
        BinaryPrimitives.WriteInt32LittleEndian(end, said);
        return [.. pages, .. footer, .. end];
    }

    // Numbers are varints: seven bits a byte, the highest bit says that more follow.
    private static byte[] Thrift(FuzzRandom random, byte[] data, IReadOnlyList<byte[]> others)
    {
        if (data.Length == 0)
            return data;
        var at = random.Below(data.Length);
        return random.Below(6) switch
        {
            0 => ByteMutations.Replaced(data, at, at + 1, [0xFF, 0xFF, 0xFF, 0xFF, (byte)random.Pick([0x0F, 0x07, 0xFF])]),
            1 => ByteMutations.Replaced(data, at, at + 1, [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]),
            2 or 3 => ByteMutations.Set(random, data),
            4 => ByteMutations.Flip(random, data),
            _ => ByteMutations.Apply(random, data, others),
        };
    }

    // Not a number, infinities, the largest numbers and subnormal ones, in the widths that tensors have.
    private static byte[] Special(FuzzRandom random, byte[] body)
    {
        var copy = body.ToArray();
        byte[] number = random.Pick<byte[]>([[0, 0, 0xC0, 0x7F], [0, 0, 0x80, 0x7F], [0, 0, 0x80, 0xFF], [0xFF, 0xFF, 0x7F, 0x7F], [1, 0, 0, 0], [0, 0x7E], [0, 0x7C], [0, 0, 0, 0, 0, 0, 0xF8, 0x7F]]);
        var at = random.Below(copy.Length / number.Length) * number.Length;
        if (at + number.Length <= copy.Length)
            number.CopyTo(copy, at);
        return copy;
    }

    private static byte[] Joined(long length, byte[] header, byte[] body)
    {
        var prefix = new byte[Prefix];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, length);
        return [.. prefix, .. header, .. body];
    }
}
