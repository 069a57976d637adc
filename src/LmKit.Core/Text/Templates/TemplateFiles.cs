using System.Text;
using System.Text.Json;

namespace LmKit;

/// <summary>Where a model folder keeps its chat templates.</summary>
internal static class TemplateFiles
{
    private const string OwnFile = "chat_template.jinja";
    private const string MoreFolder = "additional_chat_templates";
    private const string Remedy = "take one that comes with LmKit (ChatTemplate.Named), or plain text (PlainChatFormat) for a model that was not trained for chats";
    private const int LongestFile = 256 << 20;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Whether a folder has a template of any name, malformed or not.</summary>
    /// <exception cref="TemplateException">A file cannot be read.</exception>
    internal static bool AnyIn(string folder)
    {
        var config = Path.Combine(folder, PublishedTokenizer.ConfigFile);
        return File.Exists(Path.Combine(folder, OwnFile)) || More(folder).Length > 0 || (File.Exists(config) && Configured(config).Count > 0);
    }

    /// <summary>The template of a name, and the file that holds it.</summary>
    internal static (string Source, string File) Read(string config, string name)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(config))!;
        try
        {
            var own = Path.Combine(folder, OwnFile);
            var others = More(folder);
            if (!File.Exists(own) && others.Length == 0)
                return (Configured(config, name), config);
            var file = name == ChatTemplate.DefaultName ? own : Array.Find(others, other => Path.GetFileNameWithoutExtension(other) == name);
            return file is not null && File.Exists(file)
                ? (Text(file), file)
                : throw new TemplateException($"{folder} has no template '{name}' among its own files: {string.Join(", ", others.Select(Path.GetFileNameWithoutExtension).Append(File.Exists(own) ? ChatTemplate.DefaultName : null).OfType<string>())}. They stand before what {Path.GetFileName(config)} holds.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new TemplateException($"{config}: the chat template cannot be read: {error.Message}", error);
        }
    }

    private static string[] More(string folder) => Path.Combine(folder, MoreFolder) is var more && Directory.Exists(more) ? Directory.GetFiles(more, "*.jinja") : [];

    private static string Text(string file)
    {
        try
        {
            return Utf8.GetString(Bytes(file).Span);
        }
        catch (DecoderFallbackException error)
        {
            throw new TemplateException($"{file} is not UTF-8: {error.Message}", error);
        }
    }

    private static ReadOnlyMemory<byte> Bytes(string file)
    {
        using var stream = File.OpenRead(file);
        if (stream.Length > LongestFile)
            throw new TemplateException($"{file} has {stream.Length} bytes; {LongestFile} are allowed.");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes.AsSpan().StartsWith("\ufeff"u8) ? bytes.AsMemory(3) : bytes;
    }

    private static string Configured(string file, string name)
    {
        if (!File.Exists(file))
            throw new TemplateException($"{file} is not there, nor is {OwnFile} beside it; {Remedy}.");
        var found = Configured(file);
        return found.TryGetValue(name, out var source) ? source
            : found.Count == 0 ? throw new TemplateException($"{file} has no chat_template; {Remedy}.")
            : throw new TemplateException($"{file} has no template '{name}' in chat_template; ask for one of those that it has: {string.Join(", ", found.Keys)}.");
    }

    // A reader, not a document: of all that the file holds, only the templates are kept.
    private static Dictionary<string, string> Configured(string file)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            var reader = new Utf8JsonReader(Bytes(file).Span);
            var isSeen = false;
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                throw new TemplateException($"{file} is not the JSON it should be: an object is expected.");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isTemplate = reader.ValueTextEquals("chat_template"u8);
                _ = reader.Read();
                if (!isTemplate)
                {
                    reader.Skip();
                    continue;
                }
                if (isSeen)
                    throw new TemplateException($"{file} has chat_template twice.");
                isSeen = true;
                Value(ref reader, found, file);
            }
            while (reader.Read())
            {
                // what follows must be JSON too
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new TemplateException($"{file} is not the JSON it should be: {error.Message}", error);
        }
        return found;
    }

    private static void Value(ref Utf8JsonReader reader, Dictionary<string, string> found, string file)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.Null:
                return;
            case JsonTokenType.String:
                found[ChatTemplate.DefaultName] = reader.GetString()!;
                return;
            case JsonTokenType.StartArray:
                while (reader.Read() && reader.TokenType == JsonTokenType.StartObject)
                    Entry(ref reader, found, file);
                if (reader.TokenType == JsonTokenType.EndArray)
                    return;
                break;
        }
        throw new TemplateException($"{file}: chat_template is a text or a list of objects with name and template, not {reader.TokenType}.");
    }

    private static void Entry(ref Utf8JsonReader reader, Dictionary<string, string> found, string file)
    {
        string? name = null, template = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.ValueTextEquals("name"u8) ? 1 : reader.ValueTextEquals("template"u8) ? 2 : 0;
            _ = reader.Read();
            if (key == 0)
                reader.Skip();
            else if (reader.TokenType != JsonTokenType.String)
                throw new TemplateException($"{file}: an entry of chat_template has {(key == 1 ? "a name" : "a template")} that is no text.");
            else if ((key == 1 ? name : template) is not null)
                throw new TemplateException($"{file}: an entry of chat_template has {(key == 1 ? "its name" : "its template")} twice.");
            else if (key == 1)
                name = reader.GetString();
            else
                template = reader.GetString();
        }
        if (name is null || template is null)
            throw new TemplateException($"{file}: an entry of chat_template lacks its {(name is null ? "name" : "template")}.");
        if (!found.TryAdd(name, template))
            throw new TemplateException($"{file} has the template '{name}' twice.");
    }
}
