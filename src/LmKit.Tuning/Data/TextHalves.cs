namespace LmKit;

/// <summary>A document cut in two at a word: words are maximal runs of characters that are not white space.</summary>
/// <param name="Prompt">From the first word to the last of the first half, white space inside kept.</param>
/// <param name="Reference">From the next word to the last.</param>
/// <param name="PromptWords">Words of the prompt.</param>
/// <param name="TotalWords">Words of both.</param>
public sealed record TextHalves(string Prompt, string Reference, int PromptWords, int TotalWords)
{
    /// <summary>Cuts a text in the middle.</summary>
    /// <param name="text">The text.</param>
    /// <param name="maxPromptWords">Most words of the prompt; null for no bound.</param>
    /// <param name="maxWords">Words beyond this are dropped first; null for no bound.</param>
    /// <param name="snapsToSentence">Moves the cut to the nearest end of a sentence, where there is one.</param>
    /// <returns>Null for a text of fewer than two words.</returns>
    public static TextHalves? Split(string text, int? maxPromptWords = null, int? maxWords = null, bool snapsToSentence = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var words = Words(text, maxWords ?? int.MaxValue);
        if (words.Count < 2)
            return null;
        var half = Math.Min(words.Count / 2, Math.Max(1, maxPromptWords ?? int.MaxValue));
        if (snapsToSentence)
            half = NearestSentenceEnd(text, words, half);
        return new TextHalves(text[words[0].Start..words[half - 1].End], text[words[half].Start..words[^1].End], half, words.Count);
    }

    private static List<(int Start, int End)> Words(string text, int most)
    {
        var words = new List<(int, int)>();
        for (var place = 0; place < text.Length && words.Count < most;)
        {
            if (char.IsWhiteSpace(text[place]))
            {
                place++;
                continue;
            }
            var start = place;
            while (place < text.Length && !char.IsWhiteSpace(text[place]))
                place++;
            words.Add((start, place));
        }
        return words;
    }

    private static int NearestSentenceEnd(string text, List<(int Start, int End)> words, int half)
    {
        for (var distance = 0; distance < words.Count; distance++)
        {
            foreach (var cut in new[] { half - distance, half + distance })
            {
                if (cut > 0 && cut < words.Count && text[words[cut - 1].End - 1] is '.' or '!' or '?')
                    return cut;
            }
        }
        return half;
    }
}
