using System.Text;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>Turns ids into text one by one, never giving out a part of a character.</summary>
/// <remarks>
/// The pieces joined, with <see cref="Flush"/>'s at the end, are the decoded whole. Byte-level tokenizers are exact to
/// the byte: what is no valid UTF-8 becomes U+FFFD. For other tokenizers the text is decoded beside the tokens before it.
/// One decoder serves one stream of ids and one thread at a time.
/// </remarks>
public sealed class IncrementalDecoder
{
    private const char Replacement = '\ufffd';
    private const int LongestCharacter = 4; // bytes in UTF-8, hence the most tokens one character takes

    private readonly Tokenizer tokenizer;
    private readonly byte[][]? bytes;
    private readonly Decoder utf8 = Encoding.UTF8.GetDecoder();
    private readonly List<int> context = [];
    private readonly List<int> pending = [];

    /// <summary>Makes a decoder at the start of a text.</summary>
    public IncrementalDecoder(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        this.tokenizer = tokenizer;
        bytes = TokenBytes.Table(tokenizer);
    }

    /// <summary>Takes the next id and returns the text that is now certain; empty while a character is incomplete.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The tokenizer has no such id.</exception>
    public string Add(int id)
    {
        if (bytes is null)
        {
            pending.Add(id);
            return TakePending(isLast: false);
        }
        if ((uint)id >= (uint)bytes.Length)
        {
            throw new ArgumentOutOfRangeException(nameof(id), id, $"The tokenizer's ids are 0 to {bytes.Length - 1}.");
        }
        return Decode(bytes[id], flush: false);
    }

    /// <summary>Ends the text: returns what is still held, an unfinished character as U+FFFD, and starts afresh.</summary>
    public string Flush()
    {
        var text = bytes is null ? TakePending(isLast: true) : Decode([], flush: true);
        context.Clear();
        return text;
    }

    private string Decode(ReadOnlySpan<byte> input, bool flush)
    {
        var characters = new char[Encoding.UTF8.GetMaxCharCount(input.Length + LongestCharacter)];
        return new string(characters, 0, utf8.GetChars(input, characters, flush));
    }

    // Decoding a token alone may differ from decoding it in its place (blanks), so the tokens given out last go before it.
    private string TakePending(bool isLast)
    {
        var before = tokenizer.Decode(context) ?? string.Empty;
        var whole = tokenizer.Decode([.. context, .. pending]) ?? string.Empty;
        var isOpen = whole.EndsWith(Replacement) && pending.Count < LongestCharacter;
        if (pending.Count == 0 || (isOpen && !isLast) || whole.Length < before.Length)
        {
            return string.Empty;
        }
        context.Clear();
        context.AddRange(pending);
        pending.Clear();
        return whole[before.Length..];
    }
}
