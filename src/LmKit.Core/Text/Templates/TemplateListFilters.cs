namespace LmKit;

/// <summary>Filters that take values one by one.</summary>
internal static class TemplateListFilters
{
    internal static object? Length(object? value, TemplateCall call)
    {
        call.Takes(0);
        return TemplateValues.Length(value, call.Budget);
    }

    internal static object? Default(object? value, TemplateCall call)
    {
        call.Takes(0, "default_value", "boolean");
        return value is TemplateUndefined || (call.Flag(1, "boolean") && !TemplateValues.IsTrue(value)) ? call.Get(0, "default_value", MarkedText.Empty) : value;
    }

    internal static object? First(object? value, TemplateCall call)
    {
        call.Takes(0);
        if (value is MarkedText text)
            return text.Length > 0 ? text.Characters(0, 1, call.Budget) : new TemplateUndefined("first");
        return TemplateValues.Items(value, call.Budget) is { Count: > 0 } items ? items[0] : new TemplateUndefined("first");
    }

    internal static object? Last(object? value, TemplateCall call)
    {
        call.Takes(0);
        if (value is MarkedText text)
            return text.Length > 0 ? text.Characters(text.Count(call.Budget) - 1, text.Count(call.Budget), call.Budget) : new TemplateUndefined("last");
        if (value is TemplateList { Kind: TemplateListKind.Lazy })
            throw new TemplateException($"last has no meaning for {TemplateValues.Kind(value)}.");
        return TemplateValues.Items(value, call.Budget) is { Count: > 0 } items ? items[^1] : new TemplateUndefined("last");
    }

    internal static object? List(object? value, TemplateCall call)
    {
        call.Takes(0);
        return new TemplateList(TemplateValues.Items(value, call.Budget));
    }

    internal static object? Members(object? value, TemplateCall call)
    {
        call.Takes(0);
        return value switch
        {
            TemplateDictionary members => new TemplateList(Pairs(members, call.Budget), TemplateListKind.Lazy),
            TemplateUndefined => new TemplateList([], TemplateListKind.Lazy),
            _ => throw new TemplateException($"items needs a mapping, not {TemplateValues.Kind(value)}."),
        };
    }

    internal static object?[] Pairs(TemplateDictionary members, TemplateBudget budget)
    {
        budget.Items(members.Count, 96);
        return [.. members.Entries.Select(entry => (object?)TemplateList.Tuple(entry.Key, entry.Value))];
    }

    internal static object? Join(object? value, TemplateCall call)
    {
        call.Takes(0, "d", "attribute");
        var attribute = call.Get(1, "attribute");
        var items = TemplateValues.Items(value, call.Budget);
        return Joined(call.Has(0, "d") ? call.Text(0, "d") : MarkedText.Empty, attribute is null ? items : [.. items.Select(item => TemplateFilters.Attribute(item, attribute, call.Budget))], call.Budget);
    }

    internal static MarkedText Joined(MarkedText between, IReadOnlyList<object?> items, TemplateBudget budget)
    {
        budget.Items(2L * items.Count);
        var parts = new List<MarkedText>();
        foreach (var (index, item) in items.Index())
        {
            if (index > 0 && between.Length > 0)
                parts.Add(between);
            parts.Add(TemplatePrinting.Text(item, budget));
        }
        return MarkedText.Join(parts, budget);
    }

    internal static object? Reverse(object? value, TemplateCall call)
    {
        call.Takes(0);
        if (value is MarkedText text)
            return TemplateIndexing.Slice(text, null, null, -1L, call.Budget);
        if (value is TemplateList { Kind: TemplateListKind.Lazy })
            throw new TemplateException($"reverse has no meaning for {TemplateValues.Kind(value)}.");
        var items = TemplateValues.Items(value, call.Budget).ToArray();
        call.Budget.Items(items.Length);
        Array.Reverse(items);
        return new TemplateList(items, TemplateListKind.Lazy);
    }

    internal static object? Map(object? value, TemplateCall call)
    {
        var items = TemplateValues.Items(TemplateValues.IsTrue(value) ? value : TemplateList.Empty, call.Budget);
        Func<object?, object?> change;
        if (call.Positional.Count == 0)
        {
            call.Takes(0, "attribute", "default");
            if (!call.Has(0, "attribute"))
                throw new TemplateException("map needs a filter or the argument 'attribute'.");
            var attribute = call.Get(0, "attribute");
            change = item => TemplateFilters.Attribute(item, attribute, call.Budget) is var found && found is TemplateUndefined && call.Has(1, "default") ? call.Get(1, "default") : found;
        }
        else
        {
            var inner = new TemplateCall(call.Word(0, "filter").Text, [.. call.Positional.Skip(1)], call.Named, call.Budget);
            change = item => TemplateFilters.Apply(item, inner);
        }
        call.Budget.Items(items.Count);
        var made = new object?[items.Count];
        for (var index = 0; index < made.Length; index++)
        {
            call.Budget.Step();
            made[index] = change(items[index]);
        }
        return new TemplateList(made, TemplateListKind.Lazy);
    }

    /// <summary>select, reject, selectattr and rejectattr.</summary>
    internal static object? Select(object? value, TemplateCall call)
    {
        var (hasAttribute, isSelect) = (call.Name.EndsWith("attr", StringComparison.Ordinal), call.Name.StartsWith("select", StringComparison.Ordinal));
        var first = hasAttribute ? 1 : 0;
        if (call.Positional.Count < first)
            throw new TemplateException($"{call.Name} needs the name of an attribute.");
        var test = call.Positional.Count > first ? new TemplateCall(call.Positional[first] is MarkedText name ? name.Text : throw new TemplateException($"the test of {call.Name} is named by a text."), [.. call.Positional.Skip(first + 1)], call.Named, call.Budget) : null;
        if (test is null && call.Named.Count > 0)
            throw new TemplateException($"{call.Name} has no argument '{call.Named[0].Name}'.");
        var kept = new List<object?>();
        foreach (var item in TemplateValues.Items(TemplateValues.IsTrue(value) ? value : TemplateList.Empty, call.Budget))
        {
            call.Budget.Step();
            var asked = hasAttribute ? TemplateFilters.Attribute(item, call.Positional[0], call.Budget) : item;
            if ((test is null ? TemplateValues.IsTrue(asked) : TemplateTests.Holds(asked, test)) == isSelect)
                kept.Add(item);
        }
        call.Budget.Items(kept.Count, 16);
        return new TemplateList(kept, TemplateListKind.Lazy);
    }

    internal static object? Batch(object? value, TemplateCall call)
    {
        call.Takes(1, "linecount", "fill_with");
        var items = TemplateValues.Items(value, call.Budget);
        var size = call.Whole(0, "linecount", 0);
        if (size < 1)
            throw new TemplateException($"batch makes rows of one item or more, not {size}.");
        call.Budget.Items(items.Count, 100);
        var rows = new List<object?>();
        for (var start = 0; start < items.Count; start += (int)Math.Min(size, items.Count))
        {
            var row = items.Skip(start).Take((int)Math.Min(size, items.Count)).ToList();
            Fill(row, size, call.Get(1, "fill_with"), call.Budget);
            rows.Add(new TemplateList(row));
        }
        return new TemplateList(rows, TemplateListKind.Lazy);
    }

    internal static object? Slices(object? value, TemplateCall call)
    {
        call.Takes(1, "slices", "fill_with");
        var items = TemplateValues.Items(value, call.Budget);
        var count = call.Whole(0, "slices", 0);
        if (count is < 1 or > 100_000)
            throw new TemplateException($"slice makes 1 to 100000 rows, not {count}.");
        call.Budget.Items(items.Count + count, 100);
        var (size, longer) = (items.Count / (int)count, items.Count % (int)count);
        var (rows, start) = (new List<object?>(), 0);
        for (var index = 0; index < count; index++)
        {
            var row = items.Skip(start).Take(size + (index < longer ? 1 : 0)).ToList();
            start += row.Count;
            if (index >= longer && call.Get(1, "fill_with") is { } fill)
                row.Add(fill);
            rows.Add(new TemplateList(row));
        }
        return new TemplateList(rows, TemplateListKind.Lazy);
    }

    private static void Fill(List<object?> row, long size, object? with, TemplateBudget budget)
    {
        if (with is null || row.Count >= size)
            return;
        budget.Items(size - row.Count, 16);
        while (row.Count < size)
            row.Add(with);
    }
}
