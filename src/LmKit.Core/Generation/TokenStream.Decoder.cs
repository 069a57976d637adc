using System.Text;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <content>Ids to whole characters.</content>
public sealed partial class TokenStream
{
    /// <summary>Turns ids into text one by one, never giving out a part of a character.</summary>
    /// <remarks>
    /// The pieces joined, with <see cref="Flush"/>'s at the end, are the decoded whole: what is no valid UTF-8 becomes U+FFFD, and a
    /// character that is incomplete, and no more than that, is held back. LmKit's own tokenizers are decoded byte by byte; the text of others
    /// is decoded again with the tokens before it, of which a bounded number is kept. One decoder serves one stream of ids and one
    /// thread at a time.
    /// </remarks>
    internal sealed class Decoder
    {
        private const int LongestCharacter = 4; // bytes in UTF-8

        private readonly System.Text.Decoder utf8 = Encoding.UTF8.GetDecoder();
        private readonly Tokenizer tokenizer;
        private readonly Window? window;
        private readonly JsonTokenizer.Reader? reader;

        /// <summary>Makes a decoder at the start of a text.</summary>
        internal Decoder(Tokenizer tokenizer)
        {
            ArgumentNullException.ThrowIfNull(tokenizer);
            this.tokenizer = tokenizer;
            reader = (tokenizer as JsonTokenizer)?.Read();
            window = tokenizer is ByteTokenizer or BytePairTokenizer or JsonTokenizer ? null : new Window(tokenizer);
        }

        /// <summary>Takes the next id and returns the text that is now certain; empty while a character is incomplete.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The tokenizer has no such id.</exception>
        internal string Add(int id) => window is not null ? window.Add(id)
            : reader is not null ? reader.Next(id)
            : tokenizer is BytePairTokenizer pairs ? Decode(pairs.Vocabulary.Bytes(id), flush: false)
            : Decode([ByteTokenizer.ToByte(id)], flush: false);

        /// <summary>Ends the text: returns what is still held, an unfinished character as U+FFFD, and starts afresh.</summary>
        internal string Flush() => reader is not null ? reader.Flush() : window is null ? Decode([], flush: true) : window.Flush();

        private string Decode(ReadOnlySpan<byte> input, bool flush)
        {
            var characters = new char[Encoding.UTF8.GetMaxCharCount(input.Length + LongestCharacter)];
            return new string(characters, 0, utf8.GetChars(input, characters, flush));
        }
    }

    /// <summary>The last tokens of a stream with their text, for tokenizers that say nothing of their bytes.</summary>
    /// <remarks>
    /// A token may read otherwise alone than in its place (blanks, parts of a character), so the tokens before it are decoded with it. A text
    /// that ends in U+FFFD may end in part of a character; so many marks as that has bytes are held back, as earlier ones can no longer change.
    /// Old tokens are dropped when the text of the rest ends as the text of all does.
    /// </remarks>
    private sealed class Window(Tokenizer tokenizer)
    {
        private const char Replacement = '\ufffd';
        private const int Length = 16;
        private const int Kept = 8;
        private const int MostMarks = 3; // the bytes of a character that lacks its last
        private const int LongestLength = 128; // from here on tokens are dropped whatever the rest reads as

        private readonly List<int> ids = [];
        private string text = "";
        private int given; // characters of the text that are given out

        internal string Add(int id)
        {
            ids.Add(id);
            string whole;
            try
            {
                whole = tokenizer.Decode(ids) ?? "";
            }
            catch (Exception error) when (error is ArgumentException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
            {
                ids.RemoveAt(ids.Count - 1);
                throw new ArgumentOutOfRangeException(nameof(id), id, $"The tokenizer has no such id: {error.Message}");
            }
            if (ids.Count > 1 && whole == text && string.IsNullOrEmpty(tokenizer.Decode([id])))
            {
                ids.RemoveAt(ids.Count - 1); // it stands for nothing and need not be kept
                return "";
            }
            var settled = whole.Length;
            while (settled > 0 && settled > whole.Length - MostMarks && whole[settled - 1] == Replacement)
                settled--;
            if (settled > 0 && char.IsHighSurrogate(whole[settled - 1]))
                settled--;
            var piece = settled > given ? whole[given..settled] : "";
            given = Math.Max(given, settled);
            text = whole;
            return ids.Count > Length ? piece + Drop() : piece;
        }

        internal string Flush()
        {
            var rest = text.Length > given ? text[given..] : "";
            ids.Clear();
            (text, given) = ("", 0);
            return rest;
        }

        // Returns what must be given out because it cannot be kept any longer; hardly ever anything.
        private string Drop()
        {
            var shorter = tokenizer.Decode(ids[^Kept..]) ?? "";
            var held = Math.Max(0, text.Length - given);
            // One settled character before what is held shows that both read the same from there on.
            var agrees = shorter.Length > held && shorter[^(held + 1)] != Replacement && text.AsSpan().EndsWith(shorter.AsSpan(shorter.Length - held - 1));
            if (!agrees && ids.Count < LongestLength)
                return "";
            var lost = shorter.Length < held ? text[given..] : "";
            ids.RemoveRange(0, ids.Count - Kept);
            given = lost.Length > 0 ? shorter.Length : shorter.Length - held;
            text = shorter;
            return lost;
        }
    }
}
