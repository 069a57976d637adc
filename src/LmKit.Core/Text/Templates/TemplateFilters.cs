namespace LmKit;

/// <summary>The filters that templates may use: Jinja's, each with all of its arguments.</summary>
internal static class TemplateFilters
{
    private static readonly Dictionary<string, Func<object?, TemplateCall, object?>> Known = new(StringComparer.Ordinal)
    {
        ["abs"] = TemplateNumberFilters.Abs,
        ["batch"] = TemplateListFilters.Batch,
        ["capitalize"] = TemplateTextFilters.Capitalize,
        ["center"] = TemplateTextFilters.Center,
        ["count"] = TemplateListFilters.Length,
        ["d"] = TemplateListFilters.Default,
        ["default"] = TemplateListFilters.Default,
        ["dictsort"] = TemplateOrderFilters.DictSort,
        ["e"] = TemplateTextFilters.Escape,
        ["escape"] = TemplateTextFilters.Escape,
        ["first"] = TemplateListFilters.First,
        ["float"] = TemplateNumberFilters.Float,
        ["forceescape"] = TemplateTextFilters.Escape,
        ["format"] = TemplateTextFilters.Format,
        ["groupby"] = TemplateOrderFilters.GroupBy,
        ["indent"] = TemplateTextFilters.Indent,
        ["int"] = TemplateNumberFilters.Int,
        ["items"] = TemplateListFilters.Members,
        ["join"] = TemplateListFilters.Join,
        ["last"] = TemplateListFilters.Last,
        ["length"] = TemplateListFilters.Length,
        ["list"] = TemplateListFilters.List,
        ["lower"] = TemplateTextFilters.Lower,
        ["map"] = TemplateListFilters.Map,
        ["max"] = TemplateOrderFilters.Max,
        ["min"] = TemplateOrderFilters.Min,
        ["reject"] = TemplateListFilters.Select,
        ["rejectattr"] = TemplateListFilters.Select,
        ["replace"] = TemplateTextFilters.Replace,
        ["reverse"] = TemplateListFilters.Reverse,
        ["round"] = TemplateNumberFilters.Round,
        ["safe"] = TemplateTextFilters.Plain,
        ["select"] = TemplateListFilters.Select,
        ["selectattr"] = TemplateListFilters.Select,
        ["slice"] = TemplateListFilters.Slices,
        ["sort"] = TemplateOrderFilters.Sort,
        ["string"] = TemplateTextFilters.Plain,
        ["sum"] = TemplateNumberFilters.Sum,
        ["title"] = TemplateTextFilters.Title,
        ["tojson"] = TemplateTextFilters.ToJson,
        ["trim"] = TemplateTextFilters.Trim,
        ["truncate"] = TemplateTextFilters.Truncate,
        ["unique"] = TemplateOrderFilters.Unique,
        ["upper"] = TemplateTextFilters.Upper,
        ["wordcount"] = TemplateTextFilters.WordCount,
    };

    internal static bool IsKnown(string name) => Known.ContainsKey(name);

    internal static object? Apply(object? value, TemplateCall call)
    {
        call.Budget.Step();
        return Known.TryGetValue(call.Name, out var filter) ? filter(value, call) : throw new TemplateException($"the filter '{call.Name}' is not supported.");
    }

    /// <summary>What an attribute's name of a filter means for an item: members behind points, digits being indices.</summary>
    internal static object? Attribute(object? item, object? attribute, TemplateBudget budget)
    {
        if (attribute is not MarkedText path)
            return TemplateIndexing.At(item, attribute, budget);
        budget.Read(path.Length);
        foreach (var part in path.Text.Split('.'))
        {
            budget.Step();
            object? key = part.Length is > 0 and < 10 && part.AsSpan().IndexOfAnyExceptInRange('0', '9') < 0 ? long.Parse(part, System.Globalization.CultureInfo.InvariantCulture) : MarkedText.Of(part, false);
            item = TemplateIndexing.At(item, key, budget);
        }
        return item;
    }
}
