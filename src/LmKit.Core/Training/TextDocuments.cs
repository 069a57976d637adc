using System.Text;
using System.Text.Json;

namespace LmKit;

/// <summary>Reads documents from text files, folders and JSONL files, one at a time.</summary>
/// <remarks>
/// A file whose name ends in .jsonl holds a document a line, in the property "text" of an object; any other file is one
/// document. Text must be UTF-8; a byte-order mark is dropped. The result is read anew at each enumeration.
/// </remarks>
public static class TextDocuments
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads a file, or a folder's .txt, .md and .jsonl files at any depth in ordinal order of their paths.</summary>
    /// <exception cref="TextDataException">Nothing is there, a file is empty or not UTF-8, or a JSONL line has no text.</exception>
    public static IEnumerable<TextDocument> Read(string path) => Read(path, [".txt", ".md", ".jsonl"]);

    /// <summary>Reads a file, or a folder's files that end in one of <paramref name="endings"/>.</summary>
    /// <exception cref="TextDataException">Nothing is there, a file is empty or not UTF-8, or a JSONL line has no text.</exception>
    public static IEnumerable<TextDocument> Read(string path, IReadOnlyCollection<string> endings)
    {
        ArgumentNullException.ThrowIfNull(endings);
        if (File.Exists(path))
        {
            return ReadFile(path);
        }
        if (!Directory.Exists(path))
        {
            throw new TextDataException(path, "there is no such file or folder.");
        }
        var files = Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories)
            .Where(file => endings.Any(ending => file.EndsWith(ending, StringComparison.OrdinalIgnoreCase)))
            .Order(StringComparer.Ordinal)
            .ToArray();
        return files.Length > 0
            ? files.SelectMany(ReadFile)
            : throw new TextDataException(path, $"the folder holds no file that ends in {string.Join(", ", endings)}.");
    }

    private static IEnumerable<TextDocument> ReadFile(string path) =>
        path.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase) ? ReadLines(path) : [ReadWhole(path)];

    private static TextDocument ReadWhole(string path)
    {
        try
        {
            var text = File.ReadAllText(path, Strict);
            return text.Length > 0 ? new TextDocument(path, text) : throw new TextDataException(path, "the file is empty; remove it.");
        }
        catch (DecoderFallbackException failure)
        {
            throw NotUtf8(path, failure);
        }
    }

    private static IEnumerable<TextDocument> ReadLines(string path)
    {
        using var reader = new StreamReader(path, Strict);
        var number = 0;
        var isEmpty = true;
        while (ReadLine(reader, path) is { } line)
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line))
            {
                isEmpty = false;
                yield return Parse($"{path}:{number}", line);
            }
        }
        if (isEmpty)
        {
            throw new TextDataException(path, "the file holds no line; remove it.");
        }
    }

    private static string? ReadLine(StreamReader reader, string path)
    {
        try
        {
            return reader.ReadLine();
        }
        catch (DecoderFallbackException failure)
        {
            throw NotUtf8(path, failure);
        }
    }

    private static TextDocument Parse(string place, string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            if (json.RootElement.ValueKind != JsonValueKind.Object
                || !json.RootElement.TryGetProperty("text", out var text)
                || text.ValueKind != JsonValueKind.String)
            {
                throw new TextDataException(place, "the line is no object with a text in \"text\".");
            }
            var value = text.GetString()!;
            return value.Length > 0 ? new TextDocument(place, value) : throw new TextDataException(place, "\"text\" is empty; remove the line.");
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            throw new TextDataException(place, $"the line is not JSON: {failure.Message}", failure);
        }
    }

    private static TextDataException NotUtf8(string path, DecoderFallbackException failure) =>
        new(path, $"the file is not UTF-8 text: {failure.Message} Convert it, or leave it out.", failure);
}
