using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace LmKit;

/// <summary>Documents of files with one JSON object a line.</summary>
/// <param name="paths">The files; those that end in .gz are unpacked.</param>
/// <param name="field">The member that holds the text.</param>
/// <param name="idField">The member that names the document, or null.</param>
/// <exception cref="DatasetException">A file is not there; while reading, a line is no such object (FILE:LINE).</exception>
public sealed class JsonlSource(IReadOnlyList<string> paths, string field = "text", string? idField = null) : FileDocumentSource(paths)
{
    private protected override async IAsyncEnumerable<(string? Id, string? Text)> ReadAsync(string path, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var stream = Open(path);
        var number = 0;
        await foreach (var line in BoundedLines.ReadAsync(stream, MaxDocumentBytes, cancellation).ConfigureAwait(false))
        {
            number++;
            if (line is null)
                yield return (null, null);
            else if (!line.All(letter => letter is (byte)' ' or (byte)'\t'))
                yield return Parse(line, $"{path}:{number}");
        }
    }

    private (string? Id, string? Text) Parse(byte[] line, string place)
    {
        try
        {
            // By way of a string, in which invalid bytes have become U+FFFD: the parser itself refuses them.
            using var json = JsonDocument.Parse(Encoding.UTF8.GetString(line), new JsonDocumentOptions { MaxDepth = 64 });
            var id = idField is null ? null : json.RootElement.GetProperty(idField) is { ValueKind: JsonValueKind.String } name ? name.GetString() : json.RootElement.GetProperty(idField).GetRawText();
            return (id, json.RootElement.GetProperty(field).GetString() ?? throw new DatasetException(place, $"'{field}' is null."));
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new DatasetException(place, $"the line is no JSON object with the text in '{field}'{(idField is null ? "" : $" and the name in '{idField}'")}: {error.Message}", error);
        }
    }
}
