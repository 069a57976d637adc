using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>What a training checkpoint says beside its tensors; every trainer writes this one form.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Identity">What run it is.</param>
/// <param name="End">Why the task has ended the run, or null.</param>
/// <param name="Hashes">The parts, each with the hash of its tensors (<see cref="ContentHash"/>).</param>
internal sealed record RunHeader(long Step, RunIdentity Identity, string? End, IReadOnlyDictionary<string, string> Hashes)
{
    private const int PresentFormat = 4;
    private const int HashLength = 64;
    private const long MaxFileLength = 1 << 26;

    private static readonly JsonSerializerOptions layout = new() { WriteIndented = true, NewLine = "\n" };

    /// <summary>The header as JSON.</summary>
    internal string ToJson()
    {
        var identity = new JsonObject();
        foreach (var (name, value) in Identity.Entries)
            identity[name] = JsonNode.Parse(value);
        return new JsonObject
        {
            ["format"] = PresentFormat,
            ["step"] = Step,
            ["end"] = End,
            ["identity"] = identity,
            ["parts"] = new JsonObject(Hashes.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value))),
        }.ToJsonString(layout);
    }

    /// <summary>Reads a header file.</summary>
    /// <exception cref="CheckpointException">It is damaged or cannot be read.</exception>
    /// <exception cref="CheckpointMismatchException">It is of another format.</exception>
    internal static RunHeader Read(string path)
    {
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MaxFileLength } file)
                throw new CheckpointException(path, null, $"it has {file.Length} bytes; a header has at most {MaxFileLength}.");
            return Parse(path, File.ReadAllBytes(path));
        }
        catch (Exception error) when (error is UnauthorizedAccessException or (IOException and not CheckpointException))
        {
            throw new CheckpointException(path, null, $"the header cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Parses a header.</summary>
    /// <inheritdoc cref="Read"/>
    /// <param name="path">Where it stands, for errors.</param>
    /// <param name="json">Its text.</param>
    internal static RunHeader Parse(string path, ReadOnlySpan<byte> json)
    {
        try
        {
            _ = new UTF8Encoding(false, throwOnInvalidBytes: true).GetCharCount(json);
            using var document = JsonDocument.Parse(json.ToArray());
            return Parse(path, document.RootElement);
        }
        // InvalidOperationException: a text in it is no Unicode.
        catch (Exception error) when (error is JsonException or InvalidOperationException or DecoderFallbackException)
        {
            throw new CheckpointException(path, null, $"the header is not valid JSON: {error.Message}", error);
        }
    }

    private static RunHeader Parse(string path, JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw new CheckpointException(path, null, $"the header is {Shown(root)}, not a JSON object.");
        // Formats 1 and 2 wrote the member in one case or the other.
        if (!root.TryGetProperty("format", out var format) && !root.TryGetProperty("Format", out format))
            throw new CheckpointException(path, null, "the header lacks 'format'.");
        if (format.ValueKind != JsonValueKind.Number)
            throw new CheckpointException(path, null, $"'format' is {Shown(format)}, not a number.");
        if (!format.TryGetInt32(out var number) || number != PresentFormat)
            throw new CheckpointMismatchException(path, [], [], [], [], [new TensorMismatch("format", $"{PresentFormat} (checkpoints of other versions of LmKit cannot be resumed)", format.GetRawText())]);
        var identity = Members(path, root, "identity").Select(member => KeyValuePair.Create(member.Key, Scalar(path, member.Key, member.Value))).ToArray();
        if (identity.Length == 0)
            throw new CheckpointException(path, null, "'identity' is empty.");
        var step = Count(path, "step", Member(path, root, "step"));
        return new RunHeader(
            step,
            new RunIdentity(identity),
            Text(path, "end", Member(path, root, "end")),
            Members(path, root, "parts").ToDictionary(member => member.Key, member => Hash(path, member.Key, member.Value)));
    }

    private static JsonElement Member(string path, JsonElement root, string name) => root.TryGetProperty(name, out var value)
        ? value
        : throw new CheckpointException(path, null, $"the header lacks '{name}'.");

    private static Dictionary<string, JsonElement> Members(string path, JsonElement root, string name)
    {
        var value = Member(path, root, name);
        if (value.ValueKind != JsonValueKind.Object)
            throw new CheckpointException(path, null, $"'{name}' is {Shown(value)}, not an object.");
        var members = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var member in value.EnumerateObject())
        {
            if (!members.TryAdd(member.Name, member.Value))
                throw new CheckpointException(path, null, $"'{name}' has '{member.Name}' twice.");
        }
        return members;
    }

    private static long Count(string path, string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var count) && count >= 0
            ? count
            : throw new CheckpointException(path, null, $"'{name}' is {Shown(value)}, not a whole number from 0 on.");

    private static string? Text(string path, string name, JsonElement value) =>
        value.ValueKind is JsonValueKind.String or JsonValueKind.Null
            ? value.GetString()
            : throw new CheckpointException(path, null, $"'{name}' is {Shown(value)}, not a text or null.");

    private static string Hash(string path, string part, JsonElement value) =>
        value.ValueKind == JsonValueKind.String && value.GetString() is { Length: HashLength } text && text.All(char.IsAsciiHexDigitLower)
            ? text
            : throw new CheckpointException(path, null, $"the hash of part '{part}' is {Shown(value)}, not {HashLength} hexadecimal digits.");

    private static string Scalar(string path, string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => JsonValue.Create(value.GetString()!)!.ToJsonString(),
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null => value.GetRawText(),
        _ => throw new CheckpointException(path, null, $"'{name}' is {Shown(value)}, not a scalar."),
    };

    private static string Shown(JsonElement value) => value.GetRawText() is { Length: > 60 } text ? text[..60] + "..." : value.GetRawText();
}
