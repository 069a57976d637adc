using System.Buffers.Binary;

namespace LmKit;

/// <summary>The first 64 bytes of a token file.</summary>
/// <remarks>
/// Little-endian: 8 bytes "LMKTOK1\n"; uint32 bytes per id (2 or 4); uint32 vocabulary size; int64 number of ids; int32
/// end-of-text id or -1; 4 bytes zero; 32 bytes SHA-256 of the source text and the tokenizer. The ids follow, unsigned.
/// </remarks>
internal readonly record struct TokenFileHeader(int Width, int VocabSize, long Count, int EndOfTextId, string Key)
{
    internal const int Length = 64;

    private static ReadOnlySpan<byte> Magic => "LMKTOK1\n"u8;

    internal static int WidthFor(int vocabSize) => vocabSize <= 1 << 16 ? 2 : 4;

    internal byte[] ToBytes()
    {
        var bytes = new byte[Length];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), Width);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), VocabSize);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16), Count);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(24), EndOfTextId);
        Convert.FromHexString(Key).CopyTo(bytes, 32);
        return bytes;
    }

    /// <summary>Whether a file begins as a token file does, or is empty.</summary>
    internal static bool Marks(string path)
    {
        if (InputFile.Fault(path) is not null)
            return false;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read);
        Span<byte> start = stackalloc byte[Magic.Length];
        var count = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        return count == 0 || start[..count].SequenceEqual(Magic);
    }

    /// <summary>Reads and checks a header for a file of <paramref name="fileLength"/> bytes.</summary>
    internal static TokenFileHeader Parse(string path, ReadOnlySpan<byte> bytes, long fileLength)
    {
        if (bytes.Length < Length || !bytes.StartsWith(Magic))
            throw new TextDataException(path, "the file is no token file; delete it, and it is made again.");
        var header = new TokenFileHeader(
            BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[24..]),
            Convert.ToHexStringLower(bytes[32..Length]));
        if (header.VocabSize < 1
            || header.Width != WidthFor(header.VocabSize)
            || header.Count < 1
            || header.EndOfTextId < -1
            || header.EndOfTextId >= header.VocabSize
            || (fileLength - Length) % header.Width != 0
            || (fileLength - Length) / header.Width != header.Count)
        {
            throw new TextDataException(path, $"the header does not fit the file of {fileLength} bytes: {header}. Delete the file, and it is made again.");
        }
        return header;
    }
}
