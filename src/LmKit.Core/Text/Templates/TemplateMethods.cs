namespace LmKit;

/// <summary>Methods of texts, mappings, lists and loops that templates may call: Python's, those that change nothing.</summary>
internal static class TemplateMethods
{
    internal static object? Call(object? value, TemplateCall call)
    {
        call.Budget.Step();
        return value switch
        {
            MarkedText text => TemplateTextMethods.Call(text, call),
            TemplateDictionary members => OfMembers(members, call),
            TemplateLoop loop => loop.Call(call),
            TemplateList { IsSequence: true } list when call.Name is "index" or "count" => OfList(list, call),
            TemplateList or TemplateNamespace when call.Name is "append" or "extend" or "insert" or "remove" or "pop" or "clear" or "sort" or "reverse" =>
                throw new TemplateException($"{TemplateValues.Kind(value)} has no method '{call.Name}': templates run on values that stay."),
            TemplateUndefined undefined => throw new TemplateException($"'{undefined.Name}' is undefined and has no method '{call.Name}'."),
            _ => throw new TemplateException($"{TemplateValues.Kind(value)} has no method '{call.Name}'."),
        };
    }

    /// <summary>Whether all letters that have a case have this one, and there is one.</summary>
    internal static bool IsCased(MarkedText text, bool isUpper, TemplateBudget budget)
    {
        budget.Read(16L * text.Length);
        var any = false;
        foreach (var point in TemplateCharacters.Of(text.Text))
        {
            if (!TemplateCharacters.HasCase(point))
                continue;
            if (isUpper ? !TemplateCharacters.IsUpper(point) : !TemplateCharacters.IsLower(point))
                return false;
            any = true;
        }
        return any;
    }

    private static object? OfMembers(TemplateDictionary members, TemplateCall call)
    {
        var budget = call.Budget;
        switch (call.Name)
        {
            case "get":
                call.TakesPositional(1, 2);
                return members.TryGet(call.Positional[0], budget, out var found) ? found : call.Positional.Count > 1 ? call.Positional[1] : null;
            case "items":
                call.TakesPositional(0, 0);
                return new TemplateList(TemplateListFilters.Pairs(members, budget), TemplateListKind.Pairs);
            case "keys":
                call.TakesPositional(0, 0);
                return new TemplateList(TemplateValues.Items(members, budget), TemplateListKind.Keys);
            case "values":
                call.TakesPositional(0, 0);
                budget.Items(members.Count);
                return new TemplateList([.. members.Entries.Select(entry => entry.Value)], TemplateListKind.Values);
            case "copy":
                call.TakesPositional(0, 0);
                return members;
            case "pop" or "popitem" or "update" or "clear" or "setdefault":
                throw new TemplateException($"a mapping has no method '{call.Name}': templates run on values that stay.");
            default:
                throw new TemplateException($"a mapping has no method '{call.Name}'.");
        }
    }

    private static object? OfList(TemplateList list, TemplateCall call)
    {
        call.TakesPositional(1, 1);
        var count = 0L;
        for (var index = 0; index < list.Count; index++)
        {
            if (!TemplateEquality.Equal(list.Items[index], call.Positional[0], call.Budget))
                continue;
            if (call.Name == "index")
                return (long)index;
            count++;
        }
        return call.Name == "count" ? count : throw new TemplateException("index finds no such item in the list.");
    }
}
