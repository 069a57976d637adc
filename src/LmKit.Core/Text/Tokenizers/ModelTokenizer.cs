using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>A tokenizer together with what a model must know about it.</summary>
/// <param name="Tokenizer">Turns text into ids and back.</param>
/// <param name="VocabSize">The number of ids; every id is below it.</param>
/// <param name="EndOfTextId">The id between documents, or null when there is none.</param>
public sealed record ModelTokenizer(Tokenizer Tokenizer, int VocabSize, int? EndOfTextId = null)
{
    /// <summary>The byte tokenizer, which has 256 ids and no end of text.</summary>
    public static ModelTokenizer Bytes { get; } = new(new ByteTokenizer(), ByteTokenizer.VocabSize);

    /// <summary>A hash that differs between tokenizers that encode differently; it keys stored token files.</summary>
    /// <remarks>Exact for byte-level BPE (all entries and merges); other kinds are told apart by type, size and a sample.</remarks>
    internal string Fingerprint()
    {
        var text = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"{Tokenizer.GetType().FullName} {VocabSize} {EndOfTextId}\n"));
        var entries = Tokenizer switch
        {
            BytePairTokenizer ours => ours.Vocabulary.Entries,
            BpeTokenizer other => other.Vocabulary,
            _ => new Dictionary<string, int>(),
        };
        foreach (var (entry, id) in entries.OrderBy(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal))
            _ = text.Append(id).Append(' ').Append(entry).Append('\n');
        // A vocabulary of ours is told by what it holds; of others a sample must do.
        _ = Tokenizer is BytePairTokenizer { Vocabulary.Merges: var merges }
            ? text.AppendJoin('\n', merges)
            : text.AppendJoin(' ', Tokenizer.EncodeToIds("The quick brown fox, 1234 + 56?\n\tna\u00efve \u4e2d\u6587 \ud83d\ude80"));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }
}
