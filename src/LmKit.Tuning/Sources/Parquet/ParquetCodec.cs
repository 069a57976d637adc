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
