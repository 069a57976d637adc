using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

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
        using var stream = Open(path, out var longest);
        var number = 0;
        await foreach (var line in BoundedLines.ReadAsync(stream, longest, cancellation).ConfigureAwait(false))
        {
            number++;
            if (line is not { } bytes)
                yield return (null, null);
            else if (bytes.Span.IndexOfAnyExcept((byte)' ', (byte)'\t') >= 0)
                yield return Parse(bytes.Span, $"{path}:{number}");
        }
    }

    private (string? Id, string? Text) Parse(ReadOnlySpan<byte> line, string place)
    {
        try
        {
            // Invalid bytes become U+FFFD by way of a string: the parser itself refuses them.
            return Members(Utf8.IsValid(line) ? line : Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(line)), place);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new DatasetException(place, $"the line is no JSON object with the text in '{field}'{(idField is null ? "" : $" and the name in '{idField}'")}: {error.Message}", error);
        }
    }

    // Only the two members are made into texts; one that stands twice is refused.
    private (string? Id, string? Text) Members(ReadOnlySpan<byte> line, string place)
    {
        var reader = new Utf8JsonReader(line, new JsonReaderOptions { MaxDepth = 64 });
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw new JsonException("It is no object.");
        var (text, id, hasText, hasId) = ((string?)null, (string?)null, false, false);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var (isText, isId) = (reader.ValueTextEquals(field), idField is not null && reader.ValueTextEquals(idField));
            if ((isText && hasText) || (isId && hasId))
                throw new JsonException($"'{reader.GetString()}' stands twice.");
            _ = reader.Read();
            (hasText, hasId) = (hasText || isText, hasId || isId);
            if (isText)
                text = reader.TokenType == JsonTokenType.Null ? throw new DatasetException(place, $"'{field}' is null.") : reader.GetString();
            if (isId)
                id = isText ? text : Name(ref reader, line);
            reader.Skip();
        }
        while (reader.Read())
        {
            // Only blanks may follow; anything else makes the reader throw.
        }
        return hasText && (hasId || idField is null) ? (id, text) : throw new JsonException($"There is no '{(hasText ? idField : field)}'.");
    }

    // A name that is no text is taken as it is written.
    private static string Name(ref Utf8JsonReader reader, ReadOnlySpan<byte> line)
    {
        if (reader.TokenType == JsonTokenType.String)
            return reader.GetString()!;
        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return Encoding.UTF8.GetString(line[start..(int)reader.BytesConsumed]);
    }
}
