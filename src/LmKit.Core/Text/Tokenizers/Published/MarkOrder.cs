using System.Text;

namespace LmKit;

/// <summary>Long rows of combining marks in canonical order.</summary>
/// <remarks>The system's normal forms put each mark into its place among those before it, which takes hours for a row of a million. The classes
/// by which they are ordered are not told by .NET; which of two marks goes first is what its normal form of the two shows.</remarks>
internal static class MarkOrder
{
    private const int ShortRow = 500;
    private const string Lowest = "\u0334"; // of the first class
    private const string Highest = "\u0345"; // of the last class

    /// <summary>The text with its long rows in order; canonically the same.</summary>
    internal static string Apply(string text)
    {
        if (text.Length <= ShortRow)
            return text;
        var marks = CharacterClasses.Property("m")!;
        StringBuilder? made = null;
        var from = 0;
        for (var place = 0; place < text.Length;)
        {
            var start = place;
            while (place < text.Length && CodePointSet.At(text, place, out var length) is var value && marks.Contains(value))
                place += length;
            if (place - start > ShortRow)
            {
                made = (made ?? new StringBuilder(text.Length)).Append(text, from, start - from);
                Order(text[start..place], made);
                from = place;
            }
            if (place == start)
                place++;
        }
        return made?.Append(text, from, text.Length - from).ToString() ?? text;
    }

    private static void Order(string row, StringBuilder made)
    {
        // Of each mark its parts, and of each part its class; 0 for a character that nothing moves past.
        var parts = new Dictionary<Rune, Rune[]>();
        foreach (var mark in row.EnumerateRunes())
        {
            if (!parts.ContainsKey(mark))
                parts[mark] = [.. mark.ToString().Normalize(NormalizationForm.FormD).EnumerateRunes()];
        }
        var classes = Classes(parts.Values.SelectMany(part => part).Distinct());
        var waiting = new List<Rune>();
        foreach (var mark in row.EnumerateRunes())
        {
            foreach (var part in parts[mark])
            {
                if (classes[part] == 0)
                    Flush();
                waiting.Add(part);
            }
        }
        Flush();

        void Flush()
        {
            foreach (var mark in waiting.OrderBy(mark => classes[mark])) // stable
                _ = made.Append(mark.ToString());
            waiting.Clear();
        }
    }

    private static Dictionary<Rune, int> Classes(IEnumerable<Rune> marks)
    {
        var ordered = new List<List<string>>(); // those of one class, by class
        var classes = new Dictionary<Rune, int>();
        foreach (var mark in marks)
        {
            var text = mark.ToString();
            if (text != Highest && !Swaps(Highest, text) && !Swaps(text, Lowest))
            {
                classes[mark] = 0;
                continue;
            }
            var (low, high) = (0, ordered.Count);
            while (low < high)
            {
                var middle = (low + high) / 2;
                if (Swaps(text, ordered[middle][0]))
                    low = middle + 1;
                else
                    high = middle;
            }
            if (low < ordered.Count && !Swaps(ordered[low][0], text))
                ordered[low].Add(text);
            else
                ordered.Insert(low, [text]);
        }
        for (var index = 0; index < ordered.Count; index++)
        {
            foreach (var text in ordered[index])
                classes[Rune.GetRuneAt(text, 0)] = index + 1;
        }
        return classes;
    }

    private static bool Swaps(string first, string second) => first != second && string.Equals((first + second).Normalize(NormalizationForm.FormD), second + first, StringComparison.Ordinal);
}
