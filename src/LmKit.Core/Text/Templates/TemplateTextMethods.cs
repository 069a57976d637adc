namespace LmKit;

/// <summary>Methods of texts, with all of their arguments.</summary>
internal static class TemplateTextMethods
{
    internal static object? Call(MarkedText text, TemplateCall call)
    {
        var budget = call.Budget;
        switch (call.Name)
        {
            case "strip" or "lstrip" or "rstrip":
                call.TakesPositional(0, 1);
                return text.Trim(call.Positional.Count == 0 || call.Positional[0] is null ? null : call.Word(0, "chars").Text, call.Name != "rstrip", call.Name != "lstrip", budget);
            case "split" or "rsplit":
                return Split(text, call);
            case "splitlines":
                call.Takes(0, "keepends");
                return Listed(text.Lines(call.Flag(0, "keepends"), budget));
            case "partition" or "rpartition":
                return Partition(text, call);
            case "startswith" or "endswith":
                return Starts(text, call);
            case "removeprefix" or "removesuffix":
                call.TakesPositional(1, 1);
                var (cut, isPrefix) = (call.Word(0, "part"), call.Name == "removeprefix");
                budget.Read(cut.Length);
                return (isPrefix ? text.Text.StartsWith(cut.Text, StringComparison.Ordinal) : text.Text.EndsWith(cut.Text, StringComparison.Ordinal))
                    ? text.Slice(isPrefix ? cut.Length : 0, text.Length - cut.Length, budget)
                    : text;
            case "replace":
                call.TakesPositional(2, 3);
                return text.Replace(call.Word(0, "old").Text, call.Word(1, "new"), call.Positional.Count > 2 ? TemplateNumbers.Whole(call.Positional[2]) : -1, budget);
            case "join":
                call.TakesPositional(1, 1);
                var items = TemplateValues.Items(call.Positional[0], budget);
                if (items.FirstOrDefault(item => item is not MarkedText, text) is var wrong && wrong is not MarkedText)
                    throw new TemplateException($"join puts texts together, not {TemplateValues.Kind(wrong)}.");
                return TemplateListFilters.Joined(text, items, budget);
            case "format":
                return TemplateBraceFormat.Apply(text, call);
            case "find" or "rfind" or "index" or "rindex" or "count":
                return Find(text, call);
            case "upper" or "lower" or "title" or "capitalize" or "swapcase" or "casefold":
                call.TakesPositional(0, 0);
                return Cased(text, call);
            case "center" or "ljust" or "rjust" or "zfill":
                return Padded(text, call);
            case "expandtabs" or "encode" or "translate" or "format_map":
                throw new TemplateException($"the method '{call.Name}' of a text is not supported.");
            default:
                return TemplateTextQuestions.Holds(text, call);
        }
    }

    private static TemplateList Listed(List<MarkedText> parts) => new(parts);

    private static TemplateList Split(MarkedText text, TemplateCall call)
    {
        call.Takes(0, "sep", "maxsplit");
        var (most, fromEnd) = (call.Whole(1, "maxsplit", -1), call.Name == "rsplit");
        if (call.Get(0, "sep") is null)
            return Listed(text.SplitAtBlanks(most, fromEnd, call.Budget));
        var separator = call.Word(0, "sep").Text;
        if (separator.Length == 0)
            throw new TemplateException($"{call.Name} needs a separator that is not empty.");
        return Listed(fromEnd ? text.SplitFromEnd(separator, most, call.Budget) : text.Split(separator, most, call.Budget));
    }

    private static TemplateList Partition(MarkedText text, TemplateCall call)
    {
        call.TakesPositional(1, 1);
        var separator = call.Word(0, "sep").Text;
        if (separator.Length == 0)
            throw new TemplateException($"{call.Name} needs a separator that is not empty.");
        var fromEnd = call.Name == "rpartition";
        var parts = fromEnd ? text.SplitFromEnd(separator, 1, call.Budget) : text.Split(separator, 1, call.Budget);
        return parts.Count == 2 ? TemplateList.Tuple(parts[0], text.Slice(parts[0].Length, separator.Length, call.Budget), parts[1])
            : fromEnd ? TemplateList.Tuple(MarkedText.Empty, MarkedText.Empty, text) : TemplateList.Tuple(text, MarkedText.Empty, MarkedText.Empty);
    }

    private static bool Starts(MarkedText text, TemplateCall call)
    {
        call.TakesPositional(1, 3);
        text = Between(text, call, out _, out var isInside);
        var wanted = call.Positional[0] is TemplateList { Kind: TemplateListKind.Tuple } several ? several.Items : [call.Positional[0]];
        foreach (var one in wanted)
        {
            if (one is not MarkedText part)
                throw new TemplateException($"{call.Name} looks for a text, not {TemplateValues.Kind(one)}.");
            call.Budget.Read(part.Length + 16);
            if (isInside && (call.Name == "startswith" ? text.Text.StartsWith(part.Text, StringComparison.Ordinal) : text.Text.EndsWith(part.Text, StringComparison.Ordinal)))
                return true;
        }
        return false;
    }

    private static object Find(MarkedText text, TemplateCall call)
    {
        call.TakesPositional(1, 3);
        var (budget, wanted) = (call.Budget, call.Word(0, "sub").Text);
        var inside = Between(text, call, out var start, out var isInside);
        if (call.Name == "count")
            return !isInside ? 0L : wanted.Length == 0 ? inside.Count(budget) + 1L : TextSearch.All(inside.Text, wanted, -1, budget).Count();
        var found = !isInside ? -1 : call.Name is "find" or "index" ? TextSearch.First(inside.Text, wanted, 0, budget)
            : wanted.Length == 0 ? inside.Length : TextSearch.AllFromEnd(inside.Text, wanted, 1, budget) is [var last] ? last : -1;
        if (found < 0 && call.Name is "index" or "rindex")
            throw new TemplateException($"{call.Name} does not find the text that it looks for.");
        return found < 0 ? -1L : start + inside.Slice(0, found, budget).Count(budget);
    }

    // The part from the second to before the third argument, as a slice, and whether there is such a place.
    private static MarkedText Between(MarkedText text, TemplateCall call, out long start, out bool isInside)
    {
        start = 0;
        isInside = true;
        if (call.Positional.Count < 2)
            return text;
        var count = text.Count(call.Budget);
        long Place(object? given, long otherwise) => given is null ? otherwise : TemplateNumbers.Whole(given) is var bound && bound < 0 ? Math.Max(0, bound + count) : bound;
        start = Place(call.Positional[1], 0);
        var end = Math.Min(count, Place(call.Positional.Count > 2 ? call.Positional[2] : null, count));
        isInside = start <= end;
        return isInside ? text.Characters((int)start, (int)end, call.Budget) : MarkedText.Empty;
    }

    private static MarkedText Cased(MarkedText text, TemplateCall call) => call.Name switch
    {
        "upper" => TemplateTextCases.Upper(text, call.Budget),
        "lower" => TemplateTextCases.Lower(text, call.Budget),
        "title" => TemplateTextCases.Title(text, call.Budget),
        "capitalize" => TemplateTextCases.Capitalize(text, call.Budget),
        "swapcase" => TemplateTextCases.SwapCase(text, call.Budget),
        _ => System.Text.Ascii.IsValid(text.Text) ? TemplateTextCases.Lower(text, call.Budget) : throw new TemplateException("casefold is supported for ASCII texts only; take lower."),
    };

    private static MarkedText Padded(MarkedText text, TemplateCall call)
    {
        call.TakesPositional(1, call.Name == "zfill" ? 1 : 2);
        var (budget, width) = (call.Budget, TemplateNumbers.Whole(call.Positional[0]));
        var fill = call.Name == "zfill" ? MarkedText.Trusted("0") : call.Positional.Count > 1 ? call.Word(1, "fillchar") : MarkedText.Trusted(" ");
        if (fill.Count(budget) != 1)
            throw new TemplateException($"{call.Name} fills with one character.");
        if (call.Name == "center")
            return TemplateTextFilters.Centered(text, width, fill, budget);
        var added = fill.Repeated(width - text.Count(budget), budget);
        if (call.Name == "zfill" && text.Length > 0 && text.Text[0] is '+' or '-')
            return MarkedText.Join([text.Slice(0, 1, budget), added, text.Slice(1, text.Length - 1, budget)], budget);
        return call.Name == "ljust" ? MarkedText.Join(text, added, budget) : MarkedText.Join(added, text, budget);
    }
}
