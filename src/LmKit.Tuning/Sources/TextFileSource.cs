using System.Runtime.CompilerServices;
using System.Text;

namespace LmKit;

/// <summary>Plain text files: each a document, or several with a line between them.</summary>
/// <param name="paths">The files; those that end in .gz are unpacked.</param>
/// <param name="separator">The line that stands alone between documents, or null where a file is one.</param>
/// <exception cref="DatasetException">A file is not there; while reading, a packed file is damaged or cut short.</exception>
public sealed class TextFileSource(IReadOnlyList<string> paths, string? separator = null) : FileDocumentSource(paths)
{
    private protected override async IAsyncEnumerable<(string? Id, string? Text)> ReadAsync(string path, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var stream = Open(path, out var longest);
        var mark = separator is null ? null : Encoding.UTF8.GetBytes(separator);
        var text = new BoundedBytes(longest);
        await foreach (var line in BoundedLines.ReadAsync(stream, longest, cancellation).ConfigureAwait(false))
        {
            if (mark is not null && line is { } content && content.Span.SequenceEqual(mark))
            {
                if (!text.IsEmpty)
                    yield return (null, Taken(text));
                text.Clear();
                continue;
            }
            if (line is { } bytes)
            {
                text.Append(bytes.Span);
                text.Append("\n"u8);
            }
            else
            {
                text.Overflow();
            }
        }
        if (!text.IsEmpty)
            yield return (null, Taken(text));
    }

    private static string? Taken(BoundedBytes text) => text.IsTooLong ? null : Encoding.UTF8.GetString(text.Gathered.Span);
}
