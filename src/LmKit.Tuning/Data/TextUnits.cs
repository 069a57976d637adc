using System.Globalization;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>The places of a text's words, graphemes and tokens.</summary>
internal static class TextUnits
{
    internal static IReadOnlyList<(int Start, int End)> Words(string text, int most)
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

    internal static IReadOnlyList<(int Start, int End)> Graphemes(string text, int first, int last)
    {
        var units = new List<(int, int)>();
        for (var place = first; place < last;)
        {
            var end = Math.Min(last, place + StringInfo.GetNextTextElementLength(text, place));
            units.Add((place, end));
            place = end;
        }
        return units;
    }

    /// <summary>Tokens; those that share a grapheme are one unit.</summary>
    internal static IReadOnlyList<(int Start, int End)> Tokens(string text, int first, int last, Tokenizer tokenizer)
    {
        var borders = Graphemes(text, first, last).Select(unit => unit.End - first).ToHashSet();
        var units = new List<(int, int)>();
        var start = 0;
        foreach (var token in tokenizer.EncodeToTokens(text[first..last], out _))
        {
            var end = token.Offset.End.Value;
            if (end <= start || !borders.Contains(end))
                continue;
            units.Add((first + start, first + end));
            start = end;
        }
        if (first + start < last)
            units.Add((first + start, last));
        return units;
    }
}
