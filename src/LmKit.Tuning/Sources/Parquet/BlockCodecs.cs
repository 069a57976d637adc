using System.Buffers.Binary;

namespace LmKit;

/// <summary>Unpacks blocks of Snappy and of LZ4: literals, and copies of what was just written.</summary>
internal static class BlockCodecs
{
    /// <summary>Unpacks a Snappy block; returns the bytes written.</summary>
    internal static int UnpackSnappy(ReadOnlySpan<byte> source, Span<byte> into)
    {
        var (at, written) = (0, 0);
        var length = 0UL;
        for (var shift = 0; ; shift += 7)
        {
            if (shift > 28)
                throw Damaged();
            var part = Byte(source, ref at);
            length |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                break;
        }
        if (length != (ulong)into.Length)
            throw Damaged();
        while (at < source.Length)
        {
            var tag = Byte(source, ref at);
            switch (tag & 3)
            {
                case 0:
                    var literal = tag >> 2;
                    if (literal >= 60)
                        literal = (int)Math.Min(Number(source, ref at, literal - 59), int.MaxValue - 1);
                    Literal(source, ref at, into, ref written, literal + 1);
                    break;
                case 1:
                    Repeat(into, ref written, ((tag >> 5) << 8) | Byte(source, ref at), ((tag >> 2) & 7) + 4);
                    break;
                default:
                    Repeat(into, ref written, Number(source, ref at, (tag & 3) == 2 ? 2 : 4), (tag >> 2) + 1);
                    break;
            }
        }
        return written;
    }

    /// <summary>Unpacks an LZ4 block without a frame; returns the bytes written.</summary>
    internal static int UnpackLz4(ReadOnlySpan<byte> source, Span<byte> into)
    {
        var (at, written) = (0, 0);
        while (at < source.Length)
        {
            var token = Byte(source, ref at);
            Literal(source, ref at, into, ref written, Long(source, ref at, token >> 4));
            if (at == source.Length)
                break;
            var distance = Number(source, ref at, 2);
            Repeat(into, ref written, distance, Long(source, ref at, token & 15) + 4);
        }
        return written;
    }

    private static int Long(ReadOnlySpan<byte> source, ref int at, int length)
    {
        if (length < 15)
            return length;
        for (byte part = 255; part == 255;)
        {
            part = Byte(source, ref at);
            length = length < int.MaxValue / 2 ? length + part : throw Damaged();
        }
        return length;
    }

    private static void Literal(ReadOnlySpan<byte> source, ref int at, Span<byte> into, ref int written, int length)
    {
        if (length > source.Length - at || length > into.Length - written)
            throw Damaged();
        source.Slice(at, length).CopyTo(into[written..]);
        (at, written) = (at + length, written + length);
    }

    // What is copied may reach into what the copy itself writes.
    private static void Repeat(Span<byte> into, ref int written, long distance, int length)
    {
        if (distance < 1 || distance > written || length > into.Length - written)
            throw Damaged();
        var from = written - (int)distance;
        if (distance >= length)
        {
            into.Slice(from, length).CopyTo(into[written..]);
        }
        else
        {
            for (var index = 0; index < length; index++)
                into[written + index] = into[from + index];
        }
        written += length;
    }

    private static long Number(ReadOnlySpan<byte> source, ref int at, int length)
    {
        if (length > source.Length - at)
            throw Damaged();
        Span<byte> number = stackalloc byte[8];
        number.Clear();
        source.Slice(at, length).CopyTo(number);
        at += length;
        return BinaryPrimitives.ReadInt64LittleEndian(number);
    }

    private static byte Byte(ReadOnlySpan<byte> source, ref int at) => at < source.Length ? source[at++] : throw Damaged();

    private static InvalidDataException Damaged() => new("a page does not unpack: it is damaged");
}
