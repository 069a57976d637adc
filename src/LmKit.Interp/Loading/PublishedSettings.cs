using System.Text.Json;

namespace LmKit;

/// <summary>A published JSON configuration, read with defaults and by several spellings; it remembers what was read.</summary>
/// <remarks>null stands for a setting that is absent. A value of another type than asked for is refused, not passed over.</remarks>
internal sealed class PublishedSettings(string path, JsonElement root)
{
    // A setting of these words changes what a dictionary computes, whoever wrote it.
    private static readonly string[] ResultChanging = ["activation_fn", "act_fn", "postact", "nonlinearity", "skip", "transcod", "glu", "scaling_factor", "rescale"];

    private readonly HashSet<string> read = [];

    internal static PublishedSettings Read(string path)
    {
        var root = StrictJson.ReadObject(path, (place, problem, cause) => new InvalidDataException($"{path}: {place}: {problem}.", cause));
        return new(path, root.Deserialize<JsonElement>());
    }

    /// <summary>The file.</summary>
    internal string Path => path;

    internal PublishedSettings? Part(string name) => Find([name]) is { } value
        ? value.ValueKind == JsonValueKind.Object ? new(path, value) : throw Wrong(name, value, "a group of settings")
        : null;

    internal string? Text(params ReadOnlySpan<string> names) => Find(names) is { } value
        ? value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(names[0], value, "text")
        : null;

    /// <summary>Text, or a truth value as "true" or "false".</summary>
    internal string? TextOrFlag(string name) => Find([name]) is { ValueKind: JsonValueKind.True or JsonValueKind.False } value ? value.GetRawText() : Text(name);

    internal bool Flag(string name, bool otherwise) => Find([name]) switch
    {
        null => otherwise,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } value => throw Wrong(name, value, "true or false"),
    };

    internal double? Number(params ReadOnlySpan<string> names) => Find(names) is { } value
        ? value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Wrong(names[0], value, "a number")
        : null;

    internal long? Whole(params ReadOnlySpan<string> names) => Find(names) is { } value
        ? value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number : throw Wrong(names[0], value, "a whole number")
        : null;

    internal double NumberOrFail(string name) => Number(name) ?? throw Missing(name);

    /// <summary>A number of features: whole and at least 1.</summary>
    internal long? Count(string name) => Number(name) switch
    {
        null => null,
        var number and >= 1 and <= long.MaxValue / 2 when Math.Floor(number.Value) == number => (long)number.Value,
        var other => throw new InvalidDataException(FormattableString.Invariant($"{path}: '{name}' is {other}; a whole number of at least 1 is needed.")),
    };

    internal long CountOrFail(string name) => Count(name) ?? throw Missing(name);

    /// <summary>Refuses a size that is not that of the weights.</summary>
    internal void CheckSize(string name, long size)
    {
        if (Whole(name) is { } said && said != size)
            throw new InvalidDataException($"{path}: {name} is {said}, and the weights have {size}.");
    }

    /// <summary>Refuses a setting that is on, since what it asks for is not computed here.</summary>
    internal void RefuseFlag(string name, string because)
    {
        if (Flag(name, false))
            throw Unsupported(name, "true", because);
    }

    internal NotSupportedException Unsupported(string name, string? value, string because) => new($"{path}: {name} is {value}; {because}");

    /// <summary>Names that are set and that nobody read, those known to be harmless left out.</summary>
    /// <exception cref="NotSupportedException">One of them changes results by its name.</exception>
    internal IReadOnlyList<string> Unread(params ReadOnlySpan<string> harmless)
    {
        var unread = new List<string>();
        foreach (var member in root.EnumerateObject())
        {
            if (read.Contains(member.Name) || !IsSet(member.Value) || harmless.Contains(member.Name))
                continue;
            if (ResultChanging.Any(word => member.Name.Contains(word, StringComparison.OrdinalIgnoreCase)))
                throw Unsupported(member.Name, member.Value.GetRawText(), "this setting changes what the dictionary computes and is not known here, so it is refused instead of being passed over.");
            unread.Add(member.Name);
        }
        return unread;
    }

    /// <summary>Counts a setting as read, whatever it is.</summary>
    internal bool IsKnown(string name) => read.Add(name);

    private static bool IsSet(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => false,
        JsonValueKind.Number => value.GetDouble() != 0,
        JsonValueKind.String => value.GetString()!.Length > 0,
        JsonValueKind.Array => value.EnumerateArray().Any(IsSet),
        JsonValueKind.Object => value.EnumerateObject().Any(),
        _ => true,
    };

    private JsonElement? Find(ReadOnlySpan<string> names)
    {
        JsonElement? found = null;
        string? spelling = null;
        foreach (var name in names)
        {
            read.Add(name);
            if (!root.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
                continue;
            if (found is { } other && !JsonElement.DeepEquals(other, value))
                throw new InvalidDataException($"{path}: {spelling} is {other.GetRawText()} and {name}, another spelling of it, {value.GetRawText()}.");
            (found, spelling) = (value, name);
        }
        return found;
    }

    private InvalidDataException Missing(string name) => new($"{path}: '{name}' is missing.");

    private InvalidDataException Wrong(string name, JsonElement value, string wanted) => new($"{path}: {name} is {value.GetRawText()}, where {wanted} is wanted.");
}
