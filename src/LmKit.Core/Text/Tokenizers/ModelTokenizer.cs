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

    /// <summary>The id that begins a text, or null when there is none or none is known.</summary>
    public int? BeginOfTextId { get; init; }

    /// <summary>Special tokens by their texts; empty where the tokenizer names none.</summary>
    public IReadOnlyDictionary<string, int> SpecialTokens { get; init; } = new Dictionary<string, int>();

    /// <summary>Encodes a text; by default as plain text, so that untrusted text never becomes a special token.</summary>
    /// <param name="text">The text; half a surrogate pair is taken for U+FFFD.</param>
    /// <param name="addSpecialTokens">Whether what the tokenizer's file puts around a text, such as its begin of text, is put there. Other
    /// tokenizers put nothing there.</param>
    /// <param name="allowSpecialTokens">Whether special tokens in the text become their ids. Other tokenizers than those of a
    /// <c>tokenizer.json</c> or a <c>tokenizer.model</c> never do that.</param>
    public IReadOnlyList<int> Encode(string text, bool addSpecialTokens = false, bool allowSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Tokenizer is JsonTokenizer published ? published.Encode(text, addSpecialTokens, allowSpecialTokens) : Tokenizer.EncodeToIds(text);
    }

    /// <summary>Decodes ids.</summary>
    /// <param name="ids">The ids.</param>
    /// <param name="keepSpecialTokens">Whether special tokens become their texts; by default they are left out. Other tokenizers than those of a
    /// <c>tokenizer.json</c> or a <c>tokenizer.model</c> decode them as they do.</param>
    /// <exception cref="ArgumentOutOfRangeException">The tokenizer has no such id.</exception>
    public string Decode(IEnumerable<int> ids, bool keepSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return Tokenizer is JsonTokenizer published ? published.Decode(ids, keepSpecialTokens) : Tokenizer.Decode(ids) ?? "";
    }

    /// <summary>A hash that differs between tokenizers that encode differently; it keys stored token files.</summary>
    /// <remarks>Exact for byte-level BPE (all entries and merges) and for published files; other kinds are told apart by type, size and a sample.</remarks>
    internal string Fingerprint()
    {
        var text = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"{Tokenizer.GetType().FullName} {VocabSize} {EndOfTextId}\n"));
        if (Tokenizer is JsonTokenizer published)
            return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.Append(published.Hash).ToString())));
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
