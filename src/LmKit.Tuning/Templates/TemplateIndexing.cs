namespace LmKit;

/// <summary>Items and slices of template values.</summary>
internal static class TemplateIndexing
{
    internal static object? At(object? value, object? index)
    {
        if (index is MarkedText name)
            return TemplateFilters.Member(value, name.Text.Contains('.', StringComparison.Ordinal) ? throw new TemplateException($"'{name.Text}' is no member's name.") : name.Text);
        var count = value is MarkedText text ? text.Length : TemplateValues.Items(value).Count;
        var place = TemplateValues.Whole(index);
        place += place < 0 ? count : 0;
        return place < 0 || place >= count ? new TemplateUndefined($"item {place}")
            : value is MarkedText letters ? letters.Slice((int)place, 1) : TemplateValues.Items(value)[(int)place];
    }

    internal static object? Slice(object? value, long? start, long? stop, long? step)
    {
        var count = value is MarkedText text ? text.Length : TemplateValues.Items(value).Count;
        var stride = step ?? 1;
        if (stride == 0)
            throw new TemplateException("a slice needs a step.");
        var (low, high) = stride > 0 ? (0L, (long)count) : (-1L, count - 1L);
        var first = Bound(start, stride > 0 ? low : high);
        var end = Bound(stop, stride > 0 ? high : low);
        var places = new List<int>();
        for (var place = first; stride > 0 ? place < end : place > end; place += stride)
            places.Add((int)place);
        if (value is MarkedText letters)
            return letters.At(places);
        var items = TemplateValues.Items(value);
        return places.Select(place => items[place]).ToList();

        long Bound(long? given, long otherwise) => given is { } bound ? Math.Clamp(bound < 0 ? bound + count : bound, low, high) : otherwise;
    }
}
