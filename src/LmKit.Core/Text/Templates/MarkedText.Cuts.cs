namespace LmKit;

internal sealed partial class MarkedText
{
    /// <summary>What Python's strings take for blank.</summary>
    internal static bool IsBlank(char letter) => char.IsWhiteSpace(letter) || letter is >= '\x1c' and <= '\x1f';

    internal MarkedText Trim(string? characters, bool atStart, bool atEnd, TemplateBudget budget)
    {
        if (characters is not null && characters.AsSpan().ContainsAnyInRange('\ud800', '\udfff'))
            return TrimWhole([.. TemplateCharacters.Of(characters)], atStart, atEnd, budget);
        var (start, end) = (0, Length);
        while (atStart && start < end && IsCut(Text[start]))
            start++;
        while (atEnd && end > start && IsCut(Text[end - 1]))
            end--;
        return Slice(start, end - start, budget);

        bool IsCut(char letter)
        {
            budget.Read(characters?.Length ?? 1);
            return characters?.Contains(letter, StringComparison.Ordinal) ?? IsBlank(letter);
        }
    }

    // The same where a character to take away has two units.
    private MarkedText TrimWhole(HashSet<int> characters, bool atStart, bool atEnd, TemplateBudget budget)
    {
        budget.Items(characters.Count, 48);
        budget.Read(8L * Length);
        int[] points = [.. TemplateCharacters.Of(Text)];
        budget.Memory(4L * points.Length);
        var (start, end) = (0, points.Length);
        while (atStart && start < end && characters.Contains(points[start]))
            start++;
        while (atEnd && end > start && characters.Contains(points[end - 1]))
            end--;
        return Characters(start, end, budget);
    }

    /// <summary>The parts between a separator, at most <paramref name="most"/> cuts from the start; -1 for all.</summary>
    internal List<MarkedText> Split(string separator, long most, TemplateBudget budget)
    {
        var parts = new List<MarkedText>();
        var start = 0;
        foreach (var found in TextSearch.All(Text, separator, most, budget))
        {
            budget.Items(1);
            parts.Add(Slice(start, found - start, budget));
            start = found + separator.Length;
        }
        parts.Add(Slice(start, Length - start, budget));
        return parts;
    }

    internal List<MarkedText> SplitFromEnd(string separator, long most, TemplateBudget budget)
    {
        var places = TextSearch.AllFromEnd(Text, separator, most, budget);
        var parts = new List<MarkedText>();
        var end = Length;
        foreach (var found in places)
        {
            parts.Add(Slice(found + separator.Length, end - found - separator.Length, budget));
            end = found;
        }
        parts.Add(Slice(0, end, budget));
        parts.Reverse();
        return parts;
    }

    internal List<MarkedText> SplitAtBlanks(long most, bool fromEnd, TemplateBudget budget)
    {
        budget.Read(Length);
        var parts = new List<MarkedText>();
        int Away(int index) => fromEnd ? Length - 1 - index : index;
        for (var place = 0; place < Length;)
        {
            if (IsBlank(Text[Away(place)]))
            {
                place++;
                continue;
            }
            var start = place;
            var isRest = parts.Count == most;
            while (place < Length && (isRest || !IsBlank(Text[Away(place)])))
                place++;
            var part = fromEnd ? Slice(Length - place, place - start, budget) : Slice(start, place - start, budget);
            parts.Add(part);
            budget.Items(1);
        }
        if (fromEnd)
            parts.Reverse();
        return parts;
    }

    /// <summary>The lines of Python's splitlines, which ends them at more than a newline.</summary>
    internal List<MarkedText> Lines(bool withEnds, TemplateBudget budget)
    {
        budget.Read(Length);
        var lines = new List<MarkedText>();
        for (var start = 0; start < Length;)
        {
            var end = start;
            while (end < Length && !(Text[end] is >= '\n' and <= '\r' or >= '\x1c' and <= '\x1e' or '\x85' or '\u2028' or '\u2029'))
                end++;
            var next = Math.Min(Length, end + (end + 1 < Length && Text[end] == '\r' && Text[end + 1] == '\n' ? 2 : 1));
            lines.Add(Slice(start, (withEnds ? next : end) - start, budget));
            budget.Items(1);
            start = next;
        }
        return lines;
    }

    internal MarkedText Replace(string old, MarkedText with, long most, TemplateBudget budget)
    {
        var parts = new List<MarkedText>();
        if (old.Length == 0)
        {
            var count = Count(budget);
            budget.Items(count, 48);
            for (var index = 0; index <= count; index++)
            {
                if (most < 0 || index < most)
                    parts.Add(with);
                if (index < count)
                    parts.Add(Characters(index, index + 1, budget));
            }
            return Join(parts, budget);
        }
        var cut = Split(old, most, budget);
        if (cut.Count == 1)
            return this;
        foreach (var (index, part) in cut.Index())
        {
            if (index > 0)
                parts.Add(with);
            parts.Add(part);
        }
        return Join(parts, budget);
    }

    /// <summary>Whole characters from one on with a stride, which may go backwards.</summary>
    internal MarkedText Picked(int first, int stride, int count, TemplateBudget budget)
    {
        if (count == 0)
            return Empty;
        var isPlain = Starts(budget).Length == 0 && marks is null;
        if (isPlain)
        {
            budget.Text(count);
            return new MarkedText(string.Create(count, Text, (span, text) =>
            {
                for (var index = 0; index < span.Length; index++)
                    span[index] = text[first + (index * stride)];
            }), isTrusted);
        }
        budget.Items(count, 48);
        var parts = new List<MarkedText>(count);
        for (var index = 0; index < count; index++)
            parts.Add(Characters(first + (index * stride), first + (index * stride) + 1, budget));
        return Join(parts, budget);
    }
}
