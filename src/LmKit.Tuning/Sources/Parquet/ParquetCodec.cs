using System.Buffers.Binary;
using System.IO.Compression;

namespace LmKit;

/// <summary>Unpacks pages into memory of the size that they claim; one that holds more or less is refused.</summary>
internal static class ParquetCodec
{
    /// <summary>Unpacks by the file's number for a codec.</summary>
    internal static void Unpack(int codec, byte[] packed, int packedLength, Span<byte> into)
    {
        if (into.IsEmpty)
            return;
        var source = packed.AsSpan(0, packedLength);
        var written = codec switch
        {
            0 => Copy(source, into),
            1 => BlockCodecs.UnpackSnappy(source, into),
            2 => UnpackGzip(packed, packedLength, into),
            4 => BrotliDecoder.TryDecompress(source, into, out var count) ? count : -1,
            6 => UnpackZstd(source, into),
            7 => BlockCodecs.UnpackLz4(source, into),
            3 or 5 => throw new InvalidDataException($"its pages are packed with {(codec == 3 ? "LZO" : "LZ4 in Hadoop's frames")}, which is not read; SNAPPY, GZIP, BROTLI, ZSTD and LZ4_RAW are"),
            _ => throw new InvalidDataException($"its pages are packed in a way of number {codec}, which there is not"),
        };
        if (written != into.Length)
            throw new InvalidDataException($"a page of {into.Length} bytes does not unpack to that many");
    }

    private static int Copy(ReadOnlySpan<byte> source, Span<byte> into)
    {
        if (source.Length != into.Length)
            return -1;
        source.CopyTo(into);
        return source.Length;
    }

    private static int UnpackGzip(byte[] packed, int length, Span<byte> into)
    {
        using var memory = new MemoryStream(packed, 0, length);
        using var stream = new GZipStream(memory, CompressionMode.Decompress);
        var count = stream.ReadAtLeast(into, into.Length, throwOnEndOfStream: false);
        return stream.ReadByte() < 0 ? count : -1;
    }

    private static int UnpackZstd(ReadOnlySpan<byte> source, Span<byte> into)
    {
        using var decompressor = new ZstdSharp.Decompressor();
        return decompressor.TryUnwrap(source, into, out var count) ? count : -1;
    }
}

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
