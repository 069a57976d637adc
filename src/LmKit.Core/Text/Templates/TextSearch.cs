namespace LmKit;

/// <summary>Finds a text in another in time proportional to both, whatever they hold.</summary>
internal static class TextSearch
{
    private const int ShortText = 16; // up to here the plain search is fast and its worst case harmless

    internal static int First(string text, string wanted, int start, TemplateBudget budget)
    {
        foreach (var place in All(start == 0 ? text : text[start..], wanted, 1, budget))
            return place + start;
        return -1;
    }

    /// <summary>The places where <paramref name="wanted"/> stands, none inside another, at most <paramref name="most"/>; -1 for all.</summary>
    internal static IEnumerable<int> All(string text, string wanted, long most, TemplateBudget budget)
    {
        budget.Read(text.Length);
        if (wanted.Length == 0 || wanted.Length > text.Length)
            return wanted.Length == 0 && most != 0 ? [0] : [];
        return wanted.Length <= ShortText ? Short(text, wanted, most, budget) : Long(text, wanted, most, budget);
    }

    /// <summary>The same from the end to the start.</summary>
    internal static List<int> AllFromEnd(string text, string wanted, long most, TemplateBudget budget)
    {
        budget.Text(text.Length);
        var (backwards, last) = (Reversed(text), text.Length - wanted.Length);
        var places = new List<int>();
        foreach (var place in All(backwards, Reversed(wanted), most, budget))
        {
            budget.Items(1);
            places.Add(last - place);
        }
        return places;
    }

    private static string Reversed(string text) => string.Create(text.Length, text, (span, source) =>
    {
        source.CopyTo(span);
        span.Reverse();
    });

    private static IEnumerable<int> Short(string text, string wanted, long most, TemplateBudget budget)
    {
        budget.Read((long)text.Length * wanted.Length / 8);
        for (var start = 0; most != 0 && text.IndexOf(wanted, start, StringComparison.Ordinal) is var found and >= 0; start = found + wanted.Length, most--)
        {
            budget.Read(8);
            yield return found;
        }
    }

    // Knuth, Morris and Pratt: after a mismatch the longest border of what matched is known and nothing is read twice.
    private static IEnumerable<int> Long(string text, string wanted, long most, TemplateBudget budget)
    {
        budget.Memory(4L * wanted.Length);
        budget.Read(4L * (text.Length + wanted.Length));
        var borders = new int[wanted.Length];
        for (var (place, matched) = (1, 0); place < wanted.Length; borders[place++] = matched)
        {
            while (matched > 0 && wanted[place] != wanted[matched])
                matched = borders[matched - 1];
            matched += wanted[place] == wanted[matched] ? 1 : 0;
        }
        for (var (place, matched) = (0, 0); place < text.Length && most != 0; place++)
        {
            while (matched > 0 && text[place] != wanted[matched])
                matched = borders[matched - 1];
            matched += text[place] == wanted[matched] ? 1 : 0;
            if (matched < wanted.Length)
                continue;
            yield return place + 1 - wanted.Length;
            (matched, most) = (0, most - 1);
        }
    }
}
