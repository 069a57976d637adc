using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>Reads the options of a published configuration by their names, older and newer ones, and keeps account of those that were read.</summary>
/// <remarks>One quantity can have several names. Names that are there and say different things are refused.</remarks>
/// <param name="root">The object.</param>
/// <param name="path">Its JSON path.</param>
internal sealed class PublishedConfig(JsonObject root, string path = "$")
{
    private readonly HashSet<string> read = new(StringComparer.Ordinal);
    private readonly Dictionary<string, PublishedConfig> parts = new(StringComparer.Ordinal);

    /// <summary>The names of what was not read, with the paths; of objects that were read in part, what was not.</summary>
    internal IEnumerable<string> Unread => root.Select(pair => pair.Key).Where(name => !read.Contains(name)).Select(Place)
        .Concat(parts.Values.SelectMany(part => part.Unread));

    /// <summary>The JSON path of an option.</summary>
    internal string Place(string name) => $"{path}.{name}";

    /// <summary>Whether an option is there, null or not.</summary>
    internal bool Has(string name) => root.ContainsKey(name);

    /// <summary>Takes options as read, since they are known and change nothing.</summary>
    internal JsonNode? Raw(string name)
    {
        _ = read.Add(name);
        return root[name];
    }

    /// <summary>A whole number that must be there.</summary>
    internal long Size(long least, long most, params string[] names) => TrySize(least, most, names) ?? throw Missing(names);

    /// <summary>A whole number; null where it is absent or null.</summary>
    internal long? TrySize(long least, long most, params string[] names) => (long?)Find(names, (node, name) =>
    {
        // Some writers give counts as 10000.0.
        if (node is not JsonValue value || !(value.TryGetValue(out long whole) || (value.TryGetValue(out double number) && number == Math.Floor(number) && Math.Abs(number) < 1e15 && (whole = (long)number) == number)))
            throw Wrong(name, node, "is not a whole number");
        return whole >= least && whole <= most ? whole : throw Wrong(name, node, FormattableString.Invariant($"is not from {least} to {most}"));
    });

    /// <summary>A number; null where it is absent or null.</summary>
    internal double? TryNumber(double least, double most, params string[] names) => (double?)Find(names, (node, name) =>
    {
        if (node is not JsonValue value || !value.TryGetValue(out double number))
            throw Wrong(name, node, "is not a number");
        return number >= least && number <= most ? number : throw Wrong(name, node, FormattableString.Invariant($"is not from {least} to {most}"));
    });

    /// <summary>A truth value, or the default where it is absent or null.</summary>
    internal bool Flag(bool otherwise, params string[] names) => TryFlag(names) ?? otherwise;

    /// <summary>A truth value; null where it is absent or null.</summary>
    internal bool? TryFlag(params string[] names) =>
        (bool?)Find(names, (node, name) => node is JsonValue value && value.TryGetValue(out bool flag) ? flag : throw Wrong(name, node, "is neither true nor false"));

    /// <summary>A text; null where it is absent or null.</summary>
    internal string? TryText(params string[] names) => TryText(text => text, names);

    /// <summary>A text in its present form; null where it is absent or null.</summary>
    /// <param name="present">Of an older word for the same, the present one.</param>
    /// <param name="names">The names.</param>
    internal string? TryText(Func<string, string> present, params string[] names) =>
        (string?)Find(names, (node, name) => present(node is JsonValue value && value.TryGetValue(out string? text) ? text : throw Wrong(name, node, "is not a text")));

    /// <summary>Numbers; null where they are absent or null.</summary>
    internal double[]? TryNumbers(string name) => Raw(name) switch
    {
        null => null,
        JsonArray list => [.. list.Select(item => item is JsonValue value && value.TryGetValue(out double number) && double.IsFinite(number) ? number : throw Wrong(name, item, "is not a number"))],
        var other => throw Wrong(name, other, "is not a list of numbers"),
    };

    /// <summary>Texts; null where they are absent or null.</summary>
    internal string[]? TryTexts(string name) => Raw(name) switch
    {
        null => null,
        JsonArray list => [.. list.Select(item => item is JsonValue value && value.TryGetValue(out string? text) ? text : throw Wrong(name, item, "is not a text"))],
        var other => throw Wrong(name, other, "is not a list of texts"),
    };

    /// <summary>Whole numbers, one or a list; null where they are absent or null.</summary>
    internal long[]? TryIds(string name)
    {
        return Raw(name) switch
        {
            null => null,
            JsonArray list => [.. list.Select(Id)],
            var one => [Id(one)],
        };

        long Id(JsonNode? node) => node is JsonValue value && value.TryGetValue(out long id) ? id : throw Wrong(name, node, "is not a token id");
    }

    /// <summary>An object inside; null where it is absent or null.</summary>
    internal PublishedConfig? TryObject(string name)
    {
        switch (Raw(name))
        {
            case null:
                return null;
            case JsonObject inner:
                if (!parts.TryGetValue(name, out var part))
                    parts[name] = part = new PublishedConfig(inner, Place(name));
                return part;
            case var other:
                throw Wrong(name, other, "is not an object");
        }
    }

    /// <summary>Refuses an option that is there with another value than those that change nothing.</summary>
    /// <param name="name">The option.</param>
    /// <param name="harmless">Whether a value changes nothing; null and false never do.</param>
    /// <param name="problem">Why it is refused, and the remedy.</param>
    internal void Refuse(string name, string problem, Func<JsonNode, bool>? harmless = null)
    {
        if (Raw(name) is { } node && !(node is JsonValue value && value.TryGetValue(out bool flag) && !flag) && harmless?.Invoke(node) != true)
            throw Wrong(name, node, problem);
    }

    /// <summary>The error of an option's value.</summary>
    internal ConfigurationException Wrong(string name, JsonNode? node, string problem) => new(Place(name), $"{StrictJson.Shown(node)} {problem}.");

    private ConfigurationException Missing(string[] names) =>
        new(Place(names[0]), $"is missing{(names.Length > 1 ? $" (other names for it: {string.Join(", ", names[1..])})" : "")}.");

    private object? Find(string[] names, Func<JsonNode, string, object> convert)
    {
        object? found = null;
        string? by = null;
        foreach (var name in names)
        {
            if (Raw(name) is not { } node)
                continue;
            var value = convert(node, name);
            if (found is not null && !found.Equals(value))
                throw Wrong(name, node, $"contradicts {Place(by!)} = {StrictJson.Shown(root[by!])}; both name one quantity, so leave one of them out");
            (found, by) = (value, by ?? name);
        }
        return found;
    }
}
