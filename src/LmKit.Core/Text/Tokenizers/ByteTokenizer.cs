using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>A tokenizer whose tokens are the bytes of the text in UTF-8: ids 0 to 255, no file, no unknown text.</summary>
/// <remarks>Half a surrogate pair becomes U+FFFD. A limit on the count never cuts a character. Thread-safe.</remarks>
public sealed class ByteTokenizer : Tokenizer
{
    /// <summary>The number of tokens.</summary>
    public const int VocabSize = 256;

    /// <inheritdoc/>
    public override string Decode(IEnumerable<int> ids) => Encoding.UTF8.GetString(ToBytes(ids));

    /// <inheritdoc/>
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        ReadOnlySpan<byte> bytes = ToBytes(ids);
        idsConsumed = 0;
        charsWritten = 0;
        while (idsConsumed < bytes.Length)
        {
            var status = Rune.DecodeFromUtf8(bytes[idsConsumed..], out var rune, out var length); // U+FFFD when invalid
            if (status == OperationStatus.NeedMoreData)
                return status;
            if (!rune.TryEncodeToUtf16(destination[charsWritten..], out var written))
                return OperationStatus.DestinationTooSmall;
            charsWritten += written;
            idsConsumed += length;
        }
        return OperationStatus.Done;
    }

    /// <inheritdoc/>
    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var used = Used(text, textSpan, settings.MaxTokenCount, fromEnd: false, out var count);
        var bytes = new byte[count];
        _ = Encoding.UTF8.GetBytes(used, bytes);
        return new EncodeResults<int> { Tokens = Array.ConvertAll(bytes, value => (int)value), CharsConsumed = used.Length };
    }

    /// <inheritdoc/>
    /// <remarks>Every byte of a character has that character's place in the text.</remarks>
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var used = Used(text, textSpan, settings.MaxTokenCount, fromEnd: false, out var count);
        var tokens = new List<EncodedToken>(count);
        Span<byte> bytes = stackalloc byte[4];
        var at = 0;
        foreach (var rune in used.EnumerateRunes())
        {
            var place = at..(at + rune.Utf16SequenceLength);
            foreach (var value in bytes[..rune.EncodeToUtf8(bytes)])
                tokens.Add(new EncodedToken(value, ByteAlphabet.Spell([value]), place));
            at = place.End.Value;
        }
        return new EncodeResults<EncodedToken> { Tokens = tokens, CharsConsumed = used.Length };
    }

    /// <inheritdoc/>
    protected override int CountTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        _ = Used(text, textSpan, settings.MaxTokenCount, fromEnd: false, out var count);
        return count;
    }

    /// <inheritdoc/>
    protected override int GetIndexByTokenCount(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings, bool fromEnd, out string? normalizedText, out int tokenCount)
    {
        normalizedText = null;
        var used = Used(text, textSpan, settings.MaxTokenCount, fromEnd, out tokenCount);
        return fromEnd ? (text?.Length ?? textSpan.Length) - used.Length : used.Length;
    }

    private static ReadOnlySpan<char> Used(string? text, ReadOnlySpan<char> textSpan, int limit, bool fromEnd, out int count)
    {
        var left = text is null ? textSpan : text.AsSpan();
        var all = left;
        count = Encoding.UTF8.GetByteCount(all);
        if (count <= limit)
            return all;
        count = 0;
        while (left.Length > 0)
        {
            _ = fromEnd ? Rune.DecodeLastFromUtf16(left, out var rune, out var length) : Rune.DecodeFromUtf16(left, out rune, out length);
            if (count + rune.Utf8SequenceLength > limit)
                break;
            count += rune.Utf8SequenceLength;
            left = fromEnd ? left[..^length] : left[length..];
        }
        return fromEnd ? all[left.Length..] : all[..^left.Length];
    }

    private static byte[] ToBytes(IEnumerable<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return [.. ids.Select(ToByte)];
    }

    internal static byte ToByte(int id) =>
        id is >= 0 and < VocabSize ? (byte)id : throw new ArgumentOutOfRangeException(nameof(id), id, "A byte tokenizer's ids are 0 to 255.");
}
