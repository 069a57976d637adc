using System.Text.Json;

namespace LmKit;

/// <summary>A published JSON configuration, read with defaults and by several spellings.</summary>
internal sealed class PublishedConfig(string path, JsonElement root)
{
    internal static PublishedConfig Read(string path)
    {
        var root = StrictJson.ReadObject(path, (place, problem, cause) => new InvalidDataException($"{path}: {place}: {problem}.", cause));
        return new(path, root.Deserialize<JsonElement>());
    }

    internal PublishedConfig? Part(string name) => Find([name]) is { ValueKind: JsonValueKind.Object } part ? new(path, part) : null;

    internal string? Text(params ReadOnlySpan<string> names) => Find(names) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;

    internal bool Flag(string name, bool otherwise) => Find([name]) switch
    {
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        null or { ValueKind: JsonValueKind.Null } => otherwise,
        { } other => throw new InvalidDataException($"{path}: '{name}' is {StrictJson.Shown(other.GetRawText())}; true or false is needed."),
    };

    internal double? Number(params ReadOnlySpan<string> names) => Find(names) switch
    {
        { ValueKind: JsonValueKind.Number } value => value.GetDouble(),
        null or { ValueKind: JsonValueKind.Null } => null,
        { } other => throw new InvalidDataException($"{path}: '{names[0]}' is {StrictJson.Shown(other.GetRawText())}; a number is needed."),
    };

    /// <summary>A number of features: whole and at least 1.</summary>
    internal long? Count(string name) => Number(name) switch
    {
        null => null,
        var number and >= 1 and <= long.MaxValue / 2 when Math.Floor(number.Value) == number => (long)number.Value,
        var other => throw new InvalidDataException(FormattableString.Invariant($"{path}: '{name}' is {other}; a whole number of at least 1 is needed.")),
    };

    internal long CountOrFail(string name) => Count(name) ?? throw new InvalidDataException($"{path}: '{name}' is missing.");

    internal bool Is(string name, bool flag) => Find([name]) is { } value && value.ValueKind == (flag ? JsonValueKind.True : JsonValueKind.False);

    internal double NumberOrFail(string name) => Number(name) ?? throw new InvalidDataException($"{path}: '{name}' is missing or no number.");

    private JsonElement? Find(ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty(name, out var value))
                return value;
        }
        return null;
    }
}
