using System.Text;

namespace LmKit;

/// <summary>Filters that make a text.</summary>
internal static class TemplateTextFilters
{
    internal static object? Plain(object? value, TemplateCall call)
    {
        call.Takes(0);
        return Text(value, call);
    }

    internal static object? Upper(object? value, TemplateCall call)
    {
        call.Takes(0);
        return TemplateTextCases.Upper(Text(value, call), call.Budget);
    }

    internal static object? Lower(object? value, TemplateCall call)
    {
        call.Takes(0);
        return TemplateTextCases.Lower(Text(value, call), call.Budget);
    }

    internal static object? Capitalize(object? value, TemplateCall call)
    {
        call.Takes(0);
        return TemplateTextCases.Capitalize(Text(value, call), call.Budget);
    }

    internal static object? Title(object? value, TemplateCall call)
    {
        call.Takes(0);
        return TemplateTextCases.TitleOfFilter(Text(value, call), call.Budget);
    }

    internal static object? Trim(object? value, TemplateCall call)
    {
        call.Takes(0, "chars");
        return Text(value, call).Trim(call.Get(0, "chars") is null ? null : call.Word(0, "chars").Text, true, true, call.Budget);
    }

    internal static object? Replace(object? value, TemplateCall call)
    {
        call.Takes(2, "old", "new", "count");
        var most = call.Get(2, "count") is null ? -1 : call.Whole(2, "count", -1);
        return Text(value, call).Replace(call.Text(0, "old").Text, call.Text(1, "new"), most, call.Budget);
    }

    internal static object? Center(object? value, TemplateCall call)
    {
        call.Takes(0, "width");
        return Centered(Text(value, call), call.Whole(0, "width", 80), MarkedText.Trusted(" "), call.Budget);
    }

    internal static MarkedText Centered(MarkedText text, long width, MarkedText fill, TemplateBudget budget)
    {
        var space = width - text.Count(budget);
        if (space <= 0)
            return text;
        var left = (space / 2) + (space & width & 1);
        return MarkedText.Join([fill.Repeated(left, budget), text, fill.Repeated(space - left, budget)], budget);
    }

    internal static object? Format(object? value, TemplateCall call)
    {
        if (call.Named.Count > 0 && call.Positional.Count > 0)
            throw new TemplateException("format takes named values or others, not both.");
        return TemplatePercentFormat.Apply(Text(value, call), call.Named.Count > 0 ? TemplateFunctions.Members(call) : TemplateList.Tuple([.. call.Positional]), call.Budget);
    }

    internal static object? Escape(object? value, TemplateCall call)
    {
        call.Takes(0);
        var text = Text(value, call);
        call.Budget.Read(text.Length);
        var escaped = new StringBuilder();
        foreach (var letter in text.Text)
            _ = letter switch { '&' => escaped.Append("&amp;"), '<' => escaped.Append("&lt;"), '>' => escaped.Append("&gt;"), '\'' => escaped.Append("&#39;"), '"' => escaped.Append("&#34;"), _ => escaped.Append(letter) };
        return escaped.Length == text.Length ? text : text.Changed(escaped.ToString(), call.Budget);
    }

    internal static object? Indent(object? value, TemplateCall call)
    {
        call.Takes(0, "width", "first", "blank");
        var budget = call.Budget;
        var margin = call.Get(0, "width", 4L) is MarkedText given ? given : MarkedText.Trusted(" ").Repeated(call.Whole(0, "width", 4), budget);
        var (newline, text) = (MarkedText.Trusted("\n"), OnlyText(value, call));
        var lines = MarkedText.Join(text, newline, budget).Lines(false, budget);
        var parts = new List<MarkedText>();
        foreach (var (index, line) in lines.Index())
        {
            if (index > 0)
                parts.Add(newline);
            if (index == 0 ? call.Flag(1, "first") : line.Length > 0 || call.Flag(2, "blank"))
                parts.Add(margin);
            parts.Add(line);
        }
        budget.Items(parts.Count);
        return MarkedText.Join(parts, budget);
    }

    internal static object? ToJson(object? value, TemplateCall call) =>
        MarkedText.Of(TemplatePrinting.Json(value, new TemplateJsonOptions(call), call.Budget), false);

    internal static object? Truncate(object? value, TemplateCall call)
    {
        call.Takes(0, "length", "killwords", "end", "leeway");
        var (budget, text) = (call.Budget, OnlyText(value, call));
        var (length, end) = (call.Whole(0, "length", 255), call.Has(2, "end") ? call.Word(2, "end") : MarkedText.Trusted("..."));
        var leeway = call.Get(3, "leeway") is null ? 5 : call.Whole(3, "leeway", 5);
        if (length < end.Count(budget) || leeway < 0)
            throw new TemplateException($"truncate keeps at least the {end.Count(budget)} characters of its end, and its leeway is not negative.");
        if (text.Count(budget) <= length + Math.Min(leeway, TemplateBudget.LongestText))
            return text;
        var kept = text.Characters(0, (int)(length - end.Count(budget)), budget);
        var blank = kept.Text.LastIndexOf(' ');
        return MarkedText.Join(call.Flag(1, "killwords") || blank < 0 ? kept : kept.Slice(0, blank, budget), end, budget);
    }

    internal static object? WordCount(object? value, TemplateCall call)
    {
        call.Takes(0);
        var text = Text(value, call);
        call.Budget.Read(16L * text.Length);
        var (count, isInside) = (0L, false);
        foreach (var point in TemplateCharacters.Of(text.Text))
        {
            var isWord = point == '_' || TemplateCharacters.IsLetter(point) || TemplateCharacters.IsNumeric(point);
            count += isWord && !isInside ? 1 : 0;
            isInside = isWord;
        }
        return count;
    }

    private static MarkedText OnlyText(object? value, TemplateCall call) =>
        value as MarkedText ?? throw new TemplateException($"{call.Name} needs a text, not {TemplateValues.Kind(value)}; put '| string' before it.");

    private static MarkedText Text(object? value, TemplateCall call) => TemplatePrinting.Text(value, call.Budget);
}
