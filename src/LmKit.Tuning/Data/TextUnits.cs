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

    /// <summary>Tokens; those that share a grapheme are one unit. Where a tokenizer rewrites the text first, so that its places are those
    /// of another text, it counts the text as it stands.</summary>
    internal static IReadOnlyList<(int Start, int End)> Tokens(string text, int first, int last, Tokenizer tokenizer)
    {
        var borders = Graphemes(text, first, last).Select(unit => unit.End - first).ToHashSet();
        var units = new List<(int, int)>();
        var start = 0;
        var part = text[first..last];
        var tokens = tokenizer.EncodeToTokens(part, out var rewritten);
        var shift = Shift(part, rewritten);
        if (shift is null)
            tokens = tokenizer.EncodeToTokens(part, out _, considerNormalization: false);
        foreach (var token in tokens)
        {
            var end = token.Offset.End.Value - (shift ?? 0);
            if (end <= start || !borders.Contains(end))
                continue;
            units.Add((first + start, first + end));
            start = end;
        }
        if (first + start < last)
            units.Add((first + start, last));
        return units;
    }

    // How far a rewritten text is moved against the text, where it differs in nothing but letter case and marks for blanks; else null.
    private static int? Shift(string text, string? rewritten)
    {
        if (rewritten is null || rewritten == text)
            return 0;
        var shift = rewritten.Length - text.Length;
        return shift is 0 or 1 && rewritten[shift..].Zip(text).All(pair => pair.First == pair.Second || (pair.Second == ' ' && pair.First == '\u2581') || char.ToLowerInvariant(pair.Second) == pair.First)
            ? shift
            : null;
    }
}
