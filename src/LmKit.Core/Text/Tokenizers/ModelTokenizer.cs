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

    /// <summary>Texts of tokens by their roles in a published folder, such as <c>unk_token</c>; templates see them under these names.</summary>
    internal IReadOnlyDictionary<string, string> RoleTexts { get; init; } = new Dictionary<string, string>();

    /// <summary>Encodes a text; by default as plain text, so that untrusted text never becomes a special token.</summary>
    /// <param name="text">The text; half a surrogate pair is taken for U+FFFD.</param>
    /// <param name="addSpecialTokens">Whether what the tokenizer's file puts around a text, such as its begin of text, is put there. Other
    /// tokenizers put nothing there.</param>
    /// <param name="allowSpecialTokens">Whether <see cref="SpecialTokens"/> in the text become their ids.</param>
    public IReadOnlyList<int> Encode(string text, bool addSpecialTokens = false, bool allowSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Tokenizer is JsonTokenizer published ? published.Encode(text, addSpecialTokens, allowSpecialTokens)
            : allowSpecialTokens ? EncodeAround(text, [.. SpecialTokens.Select(token => (token.Key, token.Value))])
            : Tokenizer.EncodeToIds(text);
    }

    /// <summary>The ids of a text of somebody else's: not even a vocabulary's own entry that spells a special token, as unigram models have, is taken for it.</summary>
    /// <param name="text">The text.</param>
    /// <param name="addSpecialTokens">Whether what the tokenizer's file puts around a text is put there.</param>
    internal IReadOnlyList<int> EncodeUntrusted(string text, bool addSpecialTokens) =>
        Tokenizer is JsonTokenizer published ? published.Encode(text, TrustedRanges.None, addSpecialTokens) : Encode(text, addSpecialTokens);

    /// <summary>The ids of a text that a model is to continue: what the tokenizer's file puts before a text, and the text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="allowSpecialTokens">Whether special tokens in the text become their ids. A text that begins with what is put before it gets it once.</param>
    internal IReadOnlyList<int> EncodePrompt(string text, bool allowSpecialTokens)
    {
        if (Tokenizer is not JsonTokenizer published)
            return Encode(text, allowSpecialTokens: allowSpecialTokens);
        var ids = allowSpecialTokens ? published.Encode(text, false, true) : EncodeUntrusted(text, addSpecialTokens: false);
        var start = published.Start;
        return start.Count == 0 || (allowSpecialTokens && ids.Count >= start.Count && ids.Take(start.Count).SequenceEqual(start)) ? ids : [.. start, .. ids];
    }

    /// <summary>Encodes a text in which some tokens' texts stand for their ids: the first that is found, and of several at one place the longest.</summary>
    /// <param name="text">The text.</param>
    /// <param name="special">Texts that are not empty, with their ids.</param>
    internal List<int> EncodeAround(string text, (string Text, int Id)[] special)
    {
        var ids = new List<int>();
        var from = 0;
        for (var place = 0; place < text.Length;)
        {
            var found = special.Where(token => string.CompareOrdinal(text, place, token.Text, 0, token.Text.Length) == 0).OrderByDescending(token => token.Text.Length).FirstOrDefault();
            if (found.Text is null)
            {
                place++;
                continue;
            }
            ids.AddRange(Tokenizer.EncodeToIds(text[from..place]));
            ids.Add(found.Id);
            from = place += found.Text.Length;
        }
        ids.AddRange(Tokenizer.EncodeToIds(text[from..]));
        return ids;
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
