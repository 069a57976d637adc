using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

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

/// <summary>Encodes documents into a token file.</summary>
internal static class TokenFileWriter
{
    /// <summary>The hash of all documents and the tokenizer, under which a token file can be used again.</summary>
    internal static string Key(IEnumerable<TextDocument> documents, ModelTokenizer tokenizer)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(tokenizer.Fingerprint()));
        foreach (var document in documents)
        {
            var text = Encoding.UTF8.GetBytes(document.Text);
            hash.AppendData(BitConverter.GetBytes((long)text.Length));
            hash.AppendData(text);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Writes the file in one step: each document, then the end-of-text id where the tokenizer has one.</summary>
    internal static void Write(string path, IEnumerable<TextDocument> documents, ModelTokenizer tokenizer, string key, CancellationToken cancellation)
    {
        var header = new TokenFileHeader(TokenFileHeader.WidthFor(tokenizer.VocabSize), tokenizer.VocabSize, 0, tokenizer.EndOfTextId ?? -1, key);
        AtomicFile.Write(path, stream =>
        {
            stream.Write(header.ToBytes());
            long count = 0;
            foreach (var document in documents)
            {
                cancellation.ThrowIfCancellationRequested();
                count += Append(stream, document, tokenizer, header.Width);
            }
            if (count == 0)
                throw new TextDataException(path, "there is no text to make tokens from; give at least one document.");
            stream.Position = 0;
            stream.Write((header with { Count = count }).ToBytes());
        });
    }

    private static long Append(Stream stream, TextDocument document, ModelTokenizer tokenizer, int width)
    {
        var ids = tokenizer.Tokenizer.EncodeToIds(document.Text);
        var all = tokenizer.EndOfTextId is { } end ? ids.Append(end) : ids;
        var checkedIds = all.Select(id => id >= 0 && id < tokenizer.VocabSize
            ? id
            : throw new TextDataException(document.Place, $"the tokenizer gives id {id}, outside the vocabulary of {tokenizer.VocabSize}; state the tokenizer's true size."));
        if (width == 2)
        {
            ushort[] narrow = [.. checkedIds.Select(id => (ushort)id)];
            stream.Write(MemoryMarshal.AsBytes<ushort>(narrow));
            return narrow.Length;
        }
        int[] wide = [.. checkedIds];
        stream.Write(MemoryMarshal.AsBytes<int>(wide));
        return wide.Length;
    }
}
