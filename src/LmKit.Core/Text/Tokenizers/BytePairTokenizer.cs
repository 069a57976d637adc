using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>Byte-level BPE over a vocabulary that says what each id stands for.</summary>
/// <remarks>Half a surrogate pair is taken for U+FFFD. Decoding joins the bytes of all ids; what is no UTF-8 becomes U+FFFD. Thread-safe.</remarks>
internal sealed class BytePairTokenizer : Tokenizer
{
    private readonly BpeTokenizer pairs;
    private readonly HashSet<byte> missing;

    internal BytePairTokenizer(BytePairVocabulary vocabulary)
    {
        Vocabulary = vocabulary;
        pairs = BpeTokenizer.Create(new BpeOptions(vocabulary.Entries) { Merges = vocabulary.Merges, ByteLevel = true, PreTokenizer = GptPreTokenizer.Instance });
        missing = [.. Enumerable.Range(0, 256).Select(value => (byte)value).Where(value => !vocabulary.Entries.ContainsKey(ByteAlphabet.Spell([value])))];
    }

    internal BytePairVocabulary Vocabulary { get; }

    /// <inheritdoc/>
    public override PreTokenizer PreTokenizer => GptPreTokenizer.Instance;

    /// <inheritdoc/>
    public override string Decode(IEnumerable<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var bytes = new ArrayBufferWriter<byte>();
        foreach (var id in ids)
            bytes.Write(Vocabulary.Bytes(id));
        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    /// <inheritdoc/>
    /// <remarks>Stops where a token ends that ends a character, too.</remarks>
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        ArgumentNullException.ThrowIfNull(ids);
        (idsConsumed, charsWritten) = (0, 0);
        var (taken, written) = (0, 0);
        var open = new List<byte>();
        foreach (var id in ids)
        {
            open.AddRange(Vocabulary.Bytes(id));
            taken++;
            var status = Write([.. open], destination, ref written, out var used);
            if (status == OperationStatus.DestinationTooSmall)
                return status;
            open.RemoveRange(0, used);
            if (open.Count == 0)
                (idsConsumed, charsWritten) = (taken, written);
        }
        return open.Count == 0 ? OperationStatus.Done : OperationStatus.NeedMoreData;
    }

    /// <inheritdoc/>
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var whole = Whole(text, textSpan);
        var tokens = pairs.EncodeToTokens(whole, out _, settings.ConsiderPreTokenization, settings.ConsiderNormalization);
        var kept = tokens.Count <= settings.MaxTokenCount ? tokens : [.. tokens.Take(settings.MaxTokenCount)];
        return new EncodeResults<EncodedToken> { Tokens = kept, CharsConsumed = kept.Count == tokens.Count ? whole.Length : kept.Count == 0 ? 0 : kept[^1].Offset.End.Value };
    }

    /// <inheritdoc/>
    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var whole = Whole(text, textSpan);
        if (settings.MaxTokenCount == int.MaxValue)
            return new EncodeResults<int> { Tokens = pairs.EncodeToIds(whole, settings.ConsiderPreTokenization, settings.ConsiderNormalization), CharsConsumed = whole.Length };
        var ids = pairs.EncodeToIds(whole, settings.MaxTokenCount, out _, out var used, settings.ConsiderPreTokenization, settings.ConsiderNormalization);
        return new EncodeResults<int> { Tokens = ids, CharsConsumed = used };
    }

    /// <inheritdoc/>
    protected override int CountTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings) =>
        pairs.CountTokens(Whole(text, textSpan), settings.ConsiderPreTokenization, settings.ConsiderNormalization);

    /// <inheritdoc/>
    protected override int GetIndexByTokenCount(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings, bool fromEnd, out string? normalizedText, out int tokenCount)
    {
        var whole = Whole(text, textSpan);
        return fromEnd
            ? pairs.GetIndexByTokenCountFromEnd(whole, settings.MaxTokenCount, out normalizedText, out tokenCount, settings.ConsiderPreTokenization, settings.ConsiderNormalization)
            : pairs.GetIndexByTokenCount(whole, settings.MaxTokenCount, out normalizedText, out tokenCount, settings.ConsiderPreTokenization, settings.ConsiderNormalization);
    }

    // Text that no entry spells would be left out without a word.
    private string Known(string text)
    {
        if (missing.Count == 0)
            return text;
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
        {
            foreach (var value in bytes[..rune.EncodeToUtf8(bytes)])
            {
                if (missing.Contains(value))
                    throw new ArgumentException($"The text holds U+{rune.Value:X4}, and the vocabulary has no entry for its byte {value}; a byte-level vocabulary needs all 256.", nameof(text));
            }
        }
        return text;
    }

    private string Whole(string? text, ReadOnlySpan<char> textSpan) => Known(WithoutHalves(text ?? textSpan.ToString()));

    // The same text at the same places, with halves of pairs replaced.
    private static string WithoutHalves(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\ud800', '\udfff'))
            return text;
        return string.Create(text.Length, text, (span, source) =>
        {
            source.CopyTo(span);
            for (var place = 0; place < span.Length; place++)
            {
                if (place + 1 < span.Length && char.IsSurrogatePair(span[place], span[place + 1]))
                    place++;
                else if (char.IsSurrogate(span[place]))
                    span[place] = '\ufffd';
            }
        });
    }

    private static OperationStatus Write(ReadOnlySpan<byte> bytes, Span<char> destination, ref int written, out int used)
    {
        used = 0;
        while (used < bytes.Length)
        {
            var status = Rune.DecodeFromUtf8(bytes[used..], out var rune, out var length); // U+FFFD when invalid
            if (status == OperationStatus.NeedMoreData)
                return status;
            if (!rune.TryEncodeToUtf16(destination[written..], out var characters))
                return OperationStatus.DestinationTooSmall;
            written += characters;
            used += length;
        }
        return OperationStatus.Done;
    }
}
