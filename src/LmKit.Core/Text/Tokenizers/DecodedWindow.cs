using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>The last tokens of a stream with their text, for tokenizers that say nothing of their bytes.</summary>
/// <remarks>
/// A token may read otherwise alone than in its place (blanks, parts of a character), so the tokens before it are decoded with it. A text
/// that ends in U+FFFD may end in part of a character; so many marks as that has bytes are held back, as earlier ones can no longer change.
/// Old tokens are dropped when the text of the rest ends as the text of all does.
/// </remarks>
internal sealed class DecodedWindow(Tokenizer tokenizer)
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
