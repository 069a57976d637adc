namespace LmKit;

/// <summary>Methods of strings and mappings that templates may call.</summary>
internal static class TemplateMethods
{
    internal static object? Call(object? value, TemplateCall call) => value switch
    {
        MarkedText text => OfText(text, call),
        Dictionary<string, object?> members => OfMembers(members, call),
        List<object?> items when call.Name == "append" => throw new TemplateException($"a list of {items.Count} cannot be changed; templates run on values that stay."),
        _ => throw new TemplateException($"{TemplateValues.Kind(value)} has no method '{call.Name}'."),
    };

    private static object? OfText(MarkedText text, TemplateCall call)
    {
        switch (call.Name)
        {
            case "strip":
            case "lstrip":
            case "rstrip":
                return text.Trim(call.Get(0, "chars") is { } letters ? TemplateValues.Text(letters).Text : null, call.Name != "rstrip", call.Name != "lstrip");
            case "split":
                var most = (int)Math.Clamp(TemplateValues.Whole(call.Get(1, "maxsplit", -1L)), -1, int.MaxValue);
                var separator = call.Get(0, "sep");
                var parts = separator is null ? text.SplitAtBlanks() : text.Split(NotEmpty(TemplateValues.Text(separator).Text), most);
                return parts.Select(part => (object?)part).ToList();
            case "startswith":
                return text.Text.StartsWith(call.Marked(0, "prefix").Text, StringComparison.Ordinal);
            case "endswith":
                return text.Text.EndsWith(call.Marked(0, "suffix").Text, StringComparison.Ordinal);
            case "replace":
                return text.Replace(call.Marked(0, "old").Text, call.Marked(1, "new"));
            case "upper":
                return text.Changed(text.Text.ToUpperInvariant());
            case "lower":
                return text.Changed(text.Text.ToLowerInvariant());
            case "title":
                return text.Changed(Title(text.Text));
            default:
                throw new TemplateException($"a string has no method '{call.Name}'.");
        }
    }

    private static object? OfMembers(Dictionary<string, object?> members, TemplateCall call) => call.Name switch
    {
        "get" => call.Get(0, "key") is MarkedText key && members.TryGetValue(key.Text, out var found) ? found : call.Get(1, "default"),
        "items" => Pairs(members),
        "keys" => TemplateValues.Items(members).ToList(),
        "values" => members.Values.ToList(),
        _ => throw new TemplateException($"a mapping has no method '{call.Name}'."),
    };

    internal static List<object?> Pairs(Dictionary<string, object?> members) =>
        [.. members.Select(pair => (object?)new List<object?> { MarkedText.Of(pair.Key, false), pair.Value })];

    internal static string Title(string text)
    {
        var letters = text.ToCharArray();
        for (var index = 0; index < letters.Length; index++)
            letters[index] = index > 0 && char.IsLetter(letters[index - 1]) ? char.ToLowerInvariant(letters[index]) : char.ToUpperInvariant(letters[index]);
        return new string(letters);
    }

    private static string NotEmpty(string separator) => separator.Length > 0 ? separator : throw new TemplateException("split needs a separator that is not empty.");
}
