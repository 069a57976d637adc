using System.Globalization;

namespace LmKit;

/// <summary>The filters that templates may use.</summary>
internal static class TemplateFilters
{
    internal static object? Apply(object? value, TemplateCall call)
    {
        switch (call.Name)
        {
            case "trim":
                return Text().Trim(call.Get(0, "chars") is { } letters ? TemplateValues.Text(letters).Text : null, true, true);
            case "upper":
                return Text().Changed(Text().Text.ToUpperInvariant());
            case "lower":
                return Text().Changed(Text().Text.ToLowerInvariant());
            case "capitalize":
                return Text().Changed(Text().Length == 0 ? "" : char.ToUpperInvariant(Text().Text[0]) + Text().Text[1..].ToLowerInvariant());
            case "title":
                return Text().Changed(TemplateMethods.Title(Text().Text));
            case "replace":
                return Text().Replace(call.Marked(0, "old").Text, call.Marked(1, "new"));
            case "string" or "safe" or "e" or "escape":
                return call.Name is "e" or "escape" ? Text().Changed(Escaped(Text().Text)) : Text();
            case "indent":
                return Indented(Text(), (int)Math.Clamp(TemplateValues.Whole(call.Get(0, "width", 4L)), 0, 1000), TemplateValues.IsTrue(call.Get(1, "first", false)));
            case "length" or "count":
                return (long)(value is MarkedText text ? text.Length : TemplateValues.Items(value).Count);
            case "first":
                return TemplateValues.Items(value) is { Count: > 0 } some ? some[0] : new TemplateUndefined("first");
            case "last":
                return TemplateValues.Items(value) is { Count: > 0 } many ? many[^1] : new TemplateUndefined("last");
            case "join":
                return Joined(TemplateValues.Items(value), TemplateValues.Text(call.Get(0, "d", MarkedText.Empty)), call.Get(1, "attribute"));
            case "default" or "d":
                return value is TemplateUndefined || (TemplateValues.IsTrue(call.Get(1, "boolean", false)) && !TemplateValues.IsTrue(value)) ? call.Get(0, "default_value", MarkedText.Empty) : value;
            case "tojson":
                return MarkedText.Of(TemplateValues.Json(value, (int)Math.Clamp(call.Get(0, "indent") is { } indent ? TemplateValues.Whole(indent) : 0, 0, 16)), false);
            case "int":
                return Whole(value, call.Get(0, "default", 0L));
            case "float":
                return value is MarkedText digits ? double.TryParse(digits.Text, CultureInfo.InvariantCulture, out var number) ? number : 0.0 : TemplateValues.Float(value);
            case "abs":
                return value is long whole ? Math.Abs(whole) : (object)Math.Abs(TemplateValues.Float(value));
            case "list":
                return TemplateValues.Items(value).ToList();
            case "items":
                return value is Dictionary<string, object?> members ? TemplateMethods.Pairs(members) : throw new TemplateException($"items needs a mapping, not {TemplateValues.Kind(value)}.");
            case "dictsort":
                return value is Dictionary<string, object?> unsorted
                    ? TemplateMethods.Pairs(unsorted).OrderBy(pair => ((MarkedText)((List<object?>)pair!)[0]!).Text, StringComparer.OrdinalIgnoreCase).ToList()
                    : throw new TemplateException($"dictsort needs a mapping, not {TemplateValues.Kind(value)}.");
            case "reverse":
                return value is MarkedText straight ? straight.At(Enumerable.Range(0, straight.Length).Reverse()) : TemplateValues.Items(value).Reverse().ToList();
            case "unique":
                return Unique(TemplateValues.Items(value));
            case "sort":
                return Sorted(TemplateValues.Items(value), call);
            case "map":
                return TemplateValues.Items(value).Select(item => Mapped(item, call)).ToList();
            case "selectattr" or "rejectattr":
                return TemplateValues.Items(value).Where(item => TemplateTests.Holds(Member(item, call.Marked(0, "attribute").Text), Test(call, 1)) == (call.Name == "selectattr")).ToList();
            case "select" or "reject":
                return TemplateValues.Items(value).Where(item => TemplateTests.Holds(item, Test(call, 0)) == (call.Name == "select")).ToList();
            default:
                throw new TemplateException($"the filter '{call.Name}' is not supported.");
        }

        MarkedText Text() => TemplateValues.Text(value);
    }

    internal static object? Member(object? value, string name)
    {
        foreach (var part in name.Split('.'))
        {
            value = value switch
            {
                Dictionary<string, object?> members => members.TryGetValue(part, out var found) ? found : new TemplateUndefined(part),
                TemplateNamespace space => space.Members.TryGetValue(part, out var found) ? found : new TemplateUndefined(part),
                TemplateUndefined undefined => throw new TemplateException($"'{undefined.Name}' is undefined and has no '{part}'."),
                _ => new TemplateUndefined(part),
            };
        }
        return value;
    }

    private static object? Mapped(object? item, TemplateCall call)
    {
        if (call.Named.TryGetValue("attribute", out var attribute))
        {
            var found = Member(item, TemplateValues.Text(attribute).Text);
            return found is TemplateUndefined && call.Named.TryGetValue("default", out var otherwise) ? otherwise : found;
        }
        return Apply(item, new TemplateCall(call.Marked(0, "filter").Text, [.. call.Positional.Skip(1)], call.Named));
    }

    private static TemplateCall Test(TemplateCall call, int start) => start < call.Positional.Count
        ? new TemplateCall(TemplateValues.Text(call.Positional[start]).Text, [.. call.Positional.Skip(start + 1)], call.Named)
        : new TemplateCall("truth", [], call.Named);

    private static MarkedText Joined(IReadOnlyList<object?> items, MarkedText between, object? attribute) =>
        MarkedText.Join([.. items
            .Select(item => TemplateValues.Text(attribute is null ? item : Member(item, TemplateValues.Text(attribute).Text)))
            .SelectMany((text, index) => index == 0 ? [text] : new[] { between, text })]);

    private static List<object?> Unique(IReadOnlyList<object?> items)
    {
        var seen = new List<object?>();
        foreach (var item in items.Where(item => !seen.Any(other => TemplateValues.Equals(other, item))))
            seen.Add(item);
        return seen;
    }

    private static List<object?> Sorted(IReadOnlyList<object?> items, TemplateCall call)
    {
        var attribute = call.Get(2, "attribute");
        var order = Comparer<object?>.Create((a, b) => a is MarkedText x && b is MarkedText y ? string.Compare(x.Text, y.Text, StringComparison.OrdinalIgnoreCase) : TemplateValues.Compare(a, b));
        object? Key(object? item) => attribute is null ? item : Member(item, TemplateValues.Text(attribute).Text);
        return [.. TemplateValues.IsTrue(call.Get(0, "reverse", false)) ? items.OrderByDescending(Key, order) : items.OrderBy(Key, order)];
    }

    private static object? Whole(object? value, object? otherwise) => value switch
    {
        MarkedText text => long.TryParse(text.Text, CultureInfo.InvariantCulture, out var whole) ? whole
            : double.TryParse(text.Text, CultureInfo.InvariantCulture, out var number) && Math.Abs(number) < 1e18 ? (long)number : otherwise,
        double number => checked((long)number),
        bool or long => TemplateValues.Whole(value),
        _ => otherwise,
    };

    private static MarkedText Indented(MarkedText text, int width, bool first)
    {
        var margin = MarkedText.Trusted(new string(' ', width));
        var lines = text.Split("\n", -1);
        return MarkedText.Join([.. lines.SelectMany((line, index) =>
            index == 0 ? (first ? new[] { margin, line } : [line]) : line.Length == 0 ? [MarkedText.Trusted("\n"), line] : [MarkedText.Trusted("\n"), margin, line])]);
    }

    private static string Escaped(string text) => text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal).Replace("'", "&#39;", StringComparison.Ordinal).Replace("\"", "&#34;", StringComparison.Ordinal);
}
