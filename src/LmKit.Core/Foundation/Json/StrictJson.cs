using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;

namespace LmKit;

/// <summary>Reads JSON that others wrote: UTF-8 whole, names once, numbers finite, no comments, bounded depth and size.</summary>
/// <remarks>What passes can be read on without surprise: no text of it fails to decode, no member hides another. A byte-order mark is
/// passed over. Every fault becomes the reader's own exception, with the place as a JSON path.</remarks>
internal static class StrictJson
{
    /// <summary>Bytes of a configuration or manifest at most.</summary>
    internal const int MaxBytes = 4 << 20;

    private const int MaxDepth = 64;
    private const int MaxShown = 200;

    /// <summary>Makes a reader's own exception.</summary>
    /// <param name="place">The JSON path; <c>$</c> for the whole.</param>
    /// <param name="problem">What is wrong there.</param>
    /// <param name="cause">The cause, where there is one.</param>
    internal delegate Exception Refusal(string place, string problem, Exception? cause);

    /// <summary>The object that a file holds; one that is not there gives a <see cref="FileNotFoundException"/>.</summary>
    internal static JsonObject ReadObject(string path, Refusal refuse, int maxBytes = MaxBytes) =>
        ParseObject(InputFile.ReadAll(path, maxBytes, (problem, cause) => refuse("$", problem, cause)), refuse, maxBytes);

    /// <summary>The object that a text says.</summary>
    internal static JsonObject ParseObject(string json, Refusal refuse)
    {
        try
        {
            return ParseObject(new UTF8Encoding(false, throwOnInvalidBytes: true).GetBytes(json), refuse);
        }
        catch (EncoderFallbackException error)
        {
            throw refuse("$", $"letter {error.Index} is half of a pair without the other half", error);
        }
    }

    /// <summary>The object that bytes say.</summary>
    internal static JsonObject ParseObject(ReadOnlySpan<byte> json, Refusal refuse, int maxBytes = MaxBytes)
    {
        json = Checked(json, refuse, maxBytes);
        var node = JsonNode.Parse(json, documentOptions: new JsonDocumentOptions { MaxDepth = MaxDepth });
        return node as JsonObject ?? throw refuse("$", $"{Shown(node)} stands where an object belongs", null);
    }

    /// <summary>A value of a type that bytes say; every member of the type's constructor must be there unless it has a default.</summary>
    internal static T Deserialize<T>(ReadOnlySpan<byte> json, JsonSerializerOptions options, Refusal refuse, int maxBytes = MaxBytes)
        where T : class
    {
        json = Checked(json, refuse, maxBytes);
        try
        {
            return JsonSerializer.Deserialize<T>(json, options) ?? throw refuse("$", "null stands where an object belongs", null);
        }
        catch (Exception error) when (IsOfReading(error))
        {
            throw refuse((error as JsonException)?.Path ?? "$", error.Message, error);
        }
    }

    /// <summary>Whether an exception is one that reading JSON into a type gives.</summary>
    internal static bool IsOfReading(Exception error) =>
        error is JsonException or NotSupportedException or InvalidOperationException or ArgumentException or FormatException or OverflowException;

    /// <summary>A value for a message, cut where it is long.</summary>
    internal static string Shown(JsonNode? node) => Shown(node?.ToJsonString() ?? "null");

    /// <summary>A text for a message, cut where it is long.</summary>
    internal static string Shown(string text) => text.Length <= MaxShown ? text : $"{text[..MaxShown]}...";

    /// <summary>The bytes without their mark, once nothing is wrong with them.</summary>
    internal static ReadOnlySpan<byte> Checked(ReadOnlySpan<byte> json, Refusal refuse, int maxBytes = MaxBytes)
    {
        if (json.StartsWith(Encoding.UTF8.Preamble))
            json = json[Encoding.UTF8.Preamble.Length..];
        if (json.Length > maxBytes)
            throw refuse("$", $"it has {json.Length} bytes; at most {maxBytes} are read", null);
        if (!Utf8.IsValid(json))
            throw refuse("$", $"byte {FirstInvalid(json)} is not UTF-8 text", null);
        var place = new JsonPlace();
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
            while (reader.Read())
                place.Move(ref reader, refuse);
        }
        catch (JsonException error)
        {
            throw refuse(place.ToString(), $"it is not JSON: {error.Message}", error);
        }
        return json;
    }

    private static int FirstInvalid(ReadOnlySpan<byte> text)
    {
        var at = 0;
        while (Rune.DecodeFromUtf8(text[at..], out _, out var length) == System.Buffers.OperationStatus.Done)
            at += length;
        return at;
    }

    // Where a reader stands, and what no parser looks at before it is asked.
    private sealed class JsonPlace
    {
        private readonly List<(HashSet<string>? Names, string Name, int Index)> levels = [];

        internal void Move(ref Utf8JsonReader reader, Refusal refuse)
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    var name = Text(ref reader, refuse);
                    var isNew = levels[^1].Names!.Add(name);
                    levels[^1] = levels[^1] with { Name = name };
                    if (!isNew)
                        throw refuse(ToString(), "the member stands twice", null);
                    break;
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    levels.RemoveAt(levels.Count - 1);
                    break;
                default:
                    if (levels.Count > 0)
                        levels[^1] = levels[^1] with { Index = levels[^1].Index + 1 };
                    Value(ref reader, refuse);
                    break;
            }
        }

        private void Value(ref Utf8JsonReader reader, Refusal refuse)
        {
            if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
                levels.Add((reader.TokenType == JsonTokenType.StartObject ? new(StringComparer.Ordinal) : null, "", -1));
            else if (reader.TokenType == JsonTokenType.String && reader.ValueIsEscaped)
                _ = Text(ref reader, refuse);
            else if (reader.TokenType == JsonTokenType.Number && !(reader.TryGetDouble(out var number) && double.IsFinite(number)))
                throw refuse(ToString(), $"{Shown(Encoding.UTF8.GetString(reader.ValueSpan))} is beyond the range of numbers", null);
        }

        private string Text(ref Utf8JsonReader reader, Refusal refuse)
        {
            try
            {
                return reader.GetString()!;
            }
            catch (InvalidOperationException error)
            {
                throw refuse(ToString(), "a text holds half of a surrogate pair without the other half", error);
            }
        }

        public override string ToString()
        {
            var path = new StringBuilder("$");
            foreach (var (names, name, index) in levels)
            {
                if (names is null)
                    _ = path.Append(CultureInfo.InvariantCulture, $"[{Math.Max(index, 0)}]");
                else if (name.Length > 0)
                    _ = path.Append('.').Append(Shown(name));
            }
            return path.ToString();
        }
    }
}

/// <summary>Keeps a save from replacing files of the same names that somebody else put there.</summary>
internal static class OwnFiles
{
    /// <summary>Looks at a folder that is about to be saved into.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="configFile">The configuration that the save writes.</param>
    /// <param name="weightsFile">The weights that it writes.</param>
    /// <param name="isOwn">Whether a configuration is of the kind that the save writes.</param>
    /// <param name="what">What the save writes, such as "a model".</param>
    /// <exception cref="IOException">One of the two is there and is not of that kind.</exception>
    internal static void Check(string folder, string configFile, string weightsFile, Func<JsonObject, bool> isOwn, string what)
    {
        var config = Path.Combine(folder, configFile);
        var weights = Path.Combine(folder, weightsFile);
        if (IsThere(config))
        {
            if (!IsOwn(config, isOwn))
                throw new IOException($"{config} is there and is not the {configFile} of {what}, so saving would destroy something else; nothing was changed. Choose another folder, or move the file away.");
        }
        else if (IsThere(weights))
        {
            throw new IOException($"{weights} is there without the {configFile} that would say it is of {what}, so saving could destroy something else; nothing was changed. Choose another folder, or move the file away.");
        }
    }

    private static bool IsThere(string path) => File.Exists(path) || Directory.Exists(path);

    private static bool IsOwn(string path, Func<JsonObject, bool> isOwn)
    {
        try
        {
            return isOwn(StrictJson.ReadObject(path, (place, problem, cause) => new InvalidDataException($"{place}: {problem}", cause)));
        }
        catch (Exception error) when (error is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
