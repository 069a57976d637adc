namespace LmKit;

/// <summary>Members, items and slices of template values.</summary>
internal static class TemplateIndexing
{
    /// <summary>What stands behind a point: a mapping's key, or a member of a namespace, a loop or a group.</summary>
    internal static object? Member(object? value, string name) => value switch
    {
        TemplateDictionary members when members.TryGet(name, out var found) => found,
        TemplateNamespace space when space.Members.TryGet(name, out var found) => found,
        TemplateLoop loop => loop.Member(name),
        TemplateList { Kind: TemplateListKind.Group } group when name is "grouper" or "list" => group.Items[name == "grouper" ? 0 : 1],
        TemplateUndefined undefined => throw new TemplateException($"'{undefined.Name}' is undefined and has no '{name}'."),
        _ => new TemplateUndefined(name),
    };

    /// <summary>What stands in brackets; what is not there is undefined.</summary>
    internal static object? At(object? value, object? index, TemplateBudget budget)
    {
        switch (value)
        {
            case TemplateDictionary members:
                return TemplateDictionary.IsKey(index) && members.TryGet(index, budget, out var found) ? found : Missing();
            case MarkedText or TemplateList { IsSequence: true } when index is long or bool:
                var place = TemplateNumbers.Whole(index);
                var count = TemplateValues.Length(value, budget);
                place += place < 0 ? count : 0;
                return place < 0 || place >= count ? Missing()
                    : value is MarkedText text ? text.Characters((int)place, (int)place + 1, budget) : ((TemplateList)value).Items[(int)place];
            default:
                return index is MarkedText name ? Member(value, name.Text) : value is TemplateUndefined ? Member(value, Name()) : Missing();
        }

        TemplateUndefined Missing() => new(Name());

        string Name() => index is MarkedText { Length: <= 100 } name ? name.Text : index is long number ? $"item {number}" : "item";
    }

    internal static object? Slice(object? value, object? start, object? stop, object? step, TemplateBudget budget)
    {
        if (value is not (MarkedText or TemplateList { IsSequence: true }))
            throw new TemplateException($"{TemplateValues.Kind(value)} has no slices.");
        var count = TemplateValues.Length(value, budget);
        var stride = Math.Clamp(Bound(step) ?? 1, -count - 1, count + 1);
        if (stride == 0 && Bound(step) == 0)
            throw new TemplateException("the step of a slice is 0.");
        if (stride == 0)
            stride = 1;
        var (low, high) = stride > 0 ? (0L, count) : (-1L, count - 1);
        var first = Place(start, stride > 0 ? low : high);
        var end = Place(stop, stride > 0 ? high : low);
        var taken = (int)Math.Max(0, stride > 0 ? (end - first + stride - 1) / stride : (first - end - stride - 1) / -stride);
        if (value is MarkedText text)
            return stride == 1 && taken > 0 ? text.Characters((int)first, (int)end, budget) : text.Picked((int)first, (int)stride, taken, budget);
        var list = (TemplateList)value;
        if (taken == count && stride == 1)
            return list;
        budget.Items(taken);
        var items = new object?[taken];
        for (var index = 0; index < taken; index++)
            items[index] = list.Items[(int)(first + (index * stride))];
        return new TemplateList(items, list.Kind == TemplateListKind.Group ? TemplateListKind.Tuple : list.Kind)
        {
            Bounds = list.Bounds is { } bounds ? checked((bounds.Start + (first * bounds.Step), bounds.Start + (end * bounds.Step), bounds.Step * stride)) : null,
        };

        long Place(object? given, long otherwise) => Bound(given) is { } bound ? Math.Clamp(bound < 0 ? bound + count : bound, low, high) : otherwise;

        static long? Bound(object? given) => given is null ? null : TemplateNumbers.Whole(given);
    }
}
