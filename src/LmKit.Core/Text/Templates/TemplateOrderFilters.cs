namespace LmKit;

/// <summary>Filters that put values in order or tell them apart, by themselves or by an attribute.</summary>
internal static class TemplateOrderFilters
{
    internal static object? Sort(object? value, TemplateCall call)
    {
        call.Takes(0, "reverse", "case_sensitive", "attribute");
        object?[] attributes = call.Get(2, "attribute") switch
        {
            null => [],
            MarkedText names => [.. names.Text.Split(',').Select(name => (object?)MarkedText.Of(name, false))],
            var index => [index],
        };
        var items = TemplateValues.Items(value, call.Budget);
        Func<object?, object?> key = attributes.Length == 0
            ? item => Folded(item, call.Flag(1, "case_sensitive"), call.Budget)
            : item => new TemplateList([.. attributes.Select(attribute => Folded(TemplateFilters.Attribute(item, attribute, call.Budget), call.Flag(1, "case_sensitive"), call.Budget))]);
        return new TemplateList(TemplateEquality.Sorted(items, key, call.Flag(0, "reverse"), call.Budget));
    }

    internal static object? DictSort(object? value, TemplateCall call)
    {
        call.Takes(0, "case_sensitive", "by", "reverse");
        var by = call.Has(1, "by") ? call.Word(1, "by").Text : "key";
        if (by is not ("key" or "value"))
            throw new TemplateException($"dictsort goes by 'key' or by 'value', not by '{by}'.");
        if (value is not TemplateDictionary members)
            throw new TemplateException($"dictsort needs a mapping, not {TemplateValues.Kind(value)}.");
        var pairs = TemplateListFilters.Pairs(members, call.Budget);
        return new TemplateList(TemplateEquality.Sorted(pairs, pair => Folded(((TemplateList)pair!).Items[by == "key" ? 0 : 1], call.Flag(0, "case_sensitive"), call.Budget), call.Flag(2, "reverse"), call.Budget));
    }

    internal static object? GroupBy(object? value, TemplateCall call)
    {
        call.Takes(1, "attribute", "default", "case_sensitive");
        var budget = call.Budget;
        object? Found(object? item) => TemplateFilters.Attribute(item, call.Get(0, "attribute"), budget) is var found && found is TemplateUndefined && call.Has(1, "default") ? call.Get(1, "default") : found;
        object? Key(object? item) => Folded(Found(item), call.Flag(2, "case_sensitive"), budget);
        var sorted = TemplateEquality.Sorted(TemplateValues.Items(value, budget), Key, false, budget);
        var groups = new List<object?>();
        for (var start = 0; start < sorted.Length;)
        {
            var end = start + 1;
            while (end < sorted.Length && TemplateEquality.Equal(Key(sorted[start]), Key(sorted[end]), budget))
                end++;
            budget.Items(end - start, 200);
            groups.Add(new TemplateList([Found(sorted[start]), new TemplateList(sorted[start..end])], TemplateListKind.Group));
            start = end;
        }
        return new TemplateList(groups);
    }

    internal static object? Unique(object? value, TemplateCall call)
    {
        call.Takes(0, "case_sensitive", "attribute");
        var (seen, kept) = (new TemplateDictionary(), new List<object?>());
        var hasUndefined = false;
        foreach (var item in TemplateValues.Items(value, call.Budget))
        {
            call.Budget.Step();
            var attribute = call.Get(1, "attribute");
            var key = Folded(attribute is null ? item : TemplateFilters.Attribute(item, attribute, call.Budget), call.Flag(0, "case_sensitive"), call.Budget);
            if (key is TemplateUndefined && !hasUndefined)
            {
                hasUndefined = true;
                kept.Add(item);
            }
            if (key is TemplateUndefined)
                continue;
            if (!TemplateDictionary.IsKey(key))
                throw new TemplateException($"unique tells texts and numbers apart, not {TemplateValues.Kind(key)}.");
            if (seen.TryGet(key, call.Budget, out _))
                continue;
            seen.Set(key, null, call.Budget);
            kept.Add(item);
        }
        return new TemplateList(kept, TemplateListKind.Lazy);
    }

    internal static object? Min(object? value, TemplateCall call) => Extreme(value, call, -1);

    internal static object? Max(object? value, TemplateCall call) => Extreme(value, call, 1);

    private static object? Extreme(object? value, TemplateCall call, int sign)
    {
        call.Takes(0, "case_sensitive", "attribute");
        var items = TemplateValues.Items(value, call.Budget);
        if (items.Count == 0)
            return new TemplateUndefined(call.Name);
        object? Key(object? item) => Folded(call.Get(1, "attribute") is { } attribute ? TemplateFilters.Attribute(item, attribute, call.Budget) : item, call.Flag(0, "case_sensitive"), call.Budget);
        var (best, key) = (items[0], Key(items[0]));
        for (var index = 1; index < items.Count; index++)
        {
            call.Budget.Step();
            var other = Key(items[index]);
            if (TemplateEquality.Order(other, key, call.Budget) * sign > 0)
                (best, key) = (items[index], other);
        }
        return best;
    }

    private static object? Folded(object? value, bool isCaseSensitive, TemplateBudget budget) => value is MarkedText text && !isCaseSensitive ? TemplateTextCases.Lower(text, budget) : value;
}
