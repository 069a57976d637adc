using System.Text;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>Turns ids into text one by one, never giving out a part of a character.</summary>
/// <remarks>
/// The pieces joined, with <see cref="Flush"/>'s at the end, are the decoded whole: what is no valid UTF-8 becomes U+FFFD, and a
/// character that is incomplete, and no more than that, is held back. LmKit's own tokenizers are decoded byte by byte; the text of others
/// is decoded again with the tokens before it, of which a bounded number is kept. One decoder serves one stream of ids and one
/// thread at a time.
/// </remarks>
public sealed class IncrementalDecoder
{
    private const int LongestCharacter = 4; // bytes in UTF-8

    private readonly Decoder utf8 = Encoding.UTF8.GetDecoder();
    private readonly Tokenizer tokenizer;
    private readonly DecodedWindow? window;

    /// <summary>Makes a decoder at the start of a text.</summary>
    public IncrementalDecoder(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        this.tokenizer = tokenizer;
        window = tokenizer is ByteTokenizer or BytePairTokenizer ? null : new DecodedWindow(tokenizer);
    }

    /// <summary>Takes the next id and returns the text that is now certain; empty while a character is incomplete.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The tokenizer has no such id.</exception>
    public string Add(int id) => window is not null ? window.Add(id)
        : tokenizer is BytePairTokenizer pairs ? Decode(pairs.Vocabulary.Bytes(id), flush: false)
        : Decode([ByteTokenizer.ToByte(id)], flush: false);

    /// <summary>Ends the text: returns what is still held, an unfinished character as U+FFFD, and starts afresh.</summary>
    public string Flush() => window is null ? Decode([], flush: true) : window.Flush();

    private string Decode(ReadOnlySpan<byte> input, bool flush)
    {
        var characters = new char[Encoding.UTF8.GetMaxCharCount(input.Length + LongestCharacter)];
        return new string(characters, 0, utf8.GetChars(input, characters, flush));
    }
}
