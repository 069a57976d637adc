using System.Text.Json;

namespace LmKit;

/// <summary>A published JSON configuration, read with defaults and by several spellings.</summary>
internal sealed class PublishedConfig(string path, JsonElement root)
{
    internal static PublishedConfig Read(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            return new(path, document.RootElement.Clone());
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{path}: it is not JSON: {error.Message}", error);
        }
    }

    internal PublishedConfig? Part(string name) => Find([name]) is { ValueKind: JsonValueKind.Object } part ? new(path, part) : null;

    internal string? Text(params ReadOnlySpan<string> names) => Find(names) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;

    internal bool Flag(string name, bool otherwise) => Find([name]) switch
    {
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        _ => otherwise,
    };

    internal double? Number(params ReadOnlySpan<string> names) => Find(names) is { ValueKind: JsonValueKind.Number } value ? value.GetDouble() : null;

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
