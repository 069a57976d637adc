using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>What the values of a template are, and how they print, compare and iterate.</summary>
/// <remarks>Values are null, bool, long, double, <see cref="MarkedText"/>, lists, dictionaries and nothing else of .NET, so a template
/// can reach no object that it was not given.</remarks>
internal static class TemplateValues
{
    internal static object? From(JsonNode? node, bool isTrusted = false) => node switch
    {
        null => null,
        JsonArray array => array.Select(item => From(item, isTrusted)).ToList(),
        JsonObject members => members.ToDictionary(pair => pair.Key, pair => From(pair.Value, isTrusted), StringComparer.Ordinal),
        JsonValue value => value.GetValueKind() switch
        {
            JsonValueKind.String => MarkedText.Of((string)value!, isTrusted),
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => value.TryGetValue<long>(out var whole) ? whole : value.TryGetValue<int>(out var small) ? (long)small : (object)value.GetValue<double>(),
        },
        _ => throw new TemplateException($"{node.GetType().Name} is no value of a template."),
    };

    internal static bool IsTrue(object? value) => value switch
    {
        null or TemplateUndefined => false,
        bool flag => flag,
        long whole => whole != 0,
        double number => number != 0,
        MarkedText text => text.Length > 0,
        List<object?> items => items.Count > 0,
        Dictionary<string, object?> members => members.Count > 0,
        _ => true,
    };

    internal static MarkedText Text(object? value) => value switch
    {
        TemplateUndefined => MarkedText.Empty,
        MarkedText text => text,
        null => MarkedText.Trusted("None"),
        bool flag => MarkedText.Trusted(flag ? "True" : "False"),
        long whole => MarkedText.Trusted(whole.ToString(CultureInfo.InvariantCulture)),
        double number => MarkedText.Trusted(Number(number)),
        List<object?> or Dictionary<string, object?> => MarkedText.Of(Repr(value), false),
        _ => throw new TemplateException($"{Kind(value)} cannot be printed."),
    };

    internal static string Kind(object? value) => value switch
    {
        null => "none",
        TemplateUndefined undefined => $"'{undefined.Name}' (undefined)",
        bool => "a boolean",
        long or double => "a number",
        MarkedText => "a string",
        List<object?> => "a list",
        Dictionary<string, object?> => "a mapping",
        TemplateNamespace => "a namespace",
        _ => "a macro",
    };

    internal static new bool Equals(object? left, object? right) => (left, right) switch
    {
        (null, null) => true,
        (MarkedText a, MarkedText b) => a.Text == b.Text,
        (bool or long or double, bool or long or double) => Float(left) == Float(right),
        (List<object?> a, List<object?> b) => a.Count == b.Count && a.Zip(b).All(pair => Equals(pair.First, pair.Second)),
        (Dictionary<string, object?> a, Dictionary<string, object?> b) => a.Count == b.Count && a.All(pair => b.TryGetValue(pair.Key, out var other) && Equals(pair.Value, other)),
        (TemplateUndefined, TemplateUndefined) => true,
        _ => ReferenceEquals(left, right),
    };

    internal static int Compare(object? left, object? right) => (left, right) switch
    {
        (MarkedText a, MarkedText b) => string.CompareOrdinal(a.Text, b.Text),
        (bool or long or double, bool or long or double) => Float(left).CompareTo(Float(right)),
        (List<object?> a, List<object?> b) => a.Zip(b).Select(pair => Compare(pair.First, pair.Second)).FirstOrDefault(order => order != 0, a.Count.CompareTo(b.Count)),
        _ => throw new TemplateException($"{Kind(left)} and {Kind(right)} have no order."),
    };

    internal static double Float(object? value) => value switch
    {
        bool flag => flag ? 1 : 0,
        long whole => whole,
        double number => number,
        _ => throw new TemplateException($"a number is expected, not {Kind(value)}."),
    };

    internal static long Whole(object? value) => value switch
    {
        bool flag => flag ? 1 : 0,
        long whole => whole,
        _ => throw new TemplateException($"a whole number is expected, not {Kind(value)}."),
    };

    internal static IReadOnlyList<object?> Items(object? value) => value switch
    {
        List<object?> items => items,
        MarkedText text => [.. Enumerable.Range(0, text.Length).Select(index => (object?)text.Slice(index, 1))],
        Dictionary<string, object?> members => [.. members.Keys.Select(key => (object?)MarkedText.Of(key, false))],
        TemplateUndefined => [],
        _ => throw new TemplateException($"{Kind(value)} cannot be gone through."),
    };

    internal static bool Contains(object? whole, object? part) => whole switch
    {
        MarkedText text => text.Text.Contains(Text(part).Text, StringComparison.Ordinal),
        Dictionary<string, object?> members => part is MarkedText key && members.ContainsKey(key.Text),
        List<object?> items => items.Any(item => Equals(item, part)),
        TemplateUndefined => false,
        _ => throw new TemplateException($"{Kind(whole)} contains nothing."),
    };

    internal static string Json(object? value, int indent = 0, int depth = 0)
    {
        if (depth > 100)
            throw new TemplateException("The nesting of a value is deeper than 100.");
        var (open, between, close) = indent > 0
            ? ($"\n{new string(' ', indent * (depth + 1))}", $",\n{new string(' ', indent * (depth + 1))}", $"\n{new string(' ', indent * depth)}")
            : ("", ", ", "");
        return value switch
        {
            null => "null",
            bool flag => flag ? "true" : "false",
            MarkedText text => Quoted(text.Text),
            List<object?> { Count: 0 } => "[]",
            Dictionary<string, object?> { Count: 0 } => "{}",
            List<object?> items => $"[{open}{string.Join(between, items.Select(item => Json(item, indent, depth + 1)))}{close}]",
            Dictionary<string, object?> members => $"{{{open}{string.Join(between, members.Select(pair => $"{Quoted(pair.Key)}: {Json(pair.Value, indent, depth + 1)}"))}{close}}}",
            long or double => Text(value).Text,
            _ => throw new TemplateException($"{Kind(value)} cannot become JSON."),
        };
    }

    private static string Quoted(string text)
    {
        var json = new StringBuilder("\"");
        foreach (var letter in text)
        {
            _ = letter switch
            {
                '"' => json.Append("\\\""),
                '\\' => json.Append("\\\\"),
                '\n' => json.Append("\\n"),
                '\r' => json.Append("\\r"),
                '\t' => json.Append("\\t"),
                '\b' => json.Append("\\b"),
                '\f' => json.Append("\\f"),
                < ' ' => json.Append(CultureInfo.InvariantCulture, $"\\u{(int)letter:x4}"),
                _ => json.Append(letter),
            };
        }
        return json.Append('"').ToString();
    }

    private static string Number(double number)
    {
        var text = number.ToString("R", CultureInfo.InvariantCulture);
        return double.IsFinite(number) && !text.AsSpan().ContainsAny(".eE") ? text + ".0" : text.Replace("E+", "e+", StringComparison.Ordinal).Replace("E-", "e-", StringComparison.Ordinal);
    }

    private static string Repr(object? value) => value switch
    {
        MarkedText text => text.Text.Contains('\'', StringComparison.Ordinal) && !text.Text.Contains('"', StringComparison.Ordinal)
            ? $"\"{Escaped(text.Text)}\""
            : $"'{Escaped(text.Text).Replace("'", "\\'", StringComparison.Ordinal)}'",
        List<object?> items => $"[{string.Join(", ", items.Select(Repr))}]",
        Dictionary<string, object?> members => $"{{{string.Join(", ", members.Select(pair => $"{Repr(MarkedText.Of(pair.Key, false))}: {Repr(pair.Value)}"))}}}",
        _ => Text(value).Text,
    };

    private static string Escaped(string text) =>
        text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal).Replace("\t", "\\t", StringComparison.Ordinal).Replace("\r", "\\r", StringComparison.Ordinal);
}
