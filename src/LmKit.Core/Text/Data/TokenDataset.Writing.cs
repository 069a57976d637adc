using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace LmKit;

// Encodes documents into a token file.
public sealed partial class TokenDataset
{
    /// <summary>The hash of all documents and the tokenizer, under which a token file can be used again.</summary>
    private static string KeyOf(IEnumerable<TextDocument> documents, ModelTokenizer tokenizer)
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
    private static void Write(string path, IEnumerable<TextDocument> documents, ModelTokenizer tokenizer, string key, CancellationToken cancellation)
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
