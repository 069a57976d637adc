using System.Runtime.CompilerServices;
using System.Text;

namespace LmKit;

/// <summary>Plain text files: each a document, or several with a line between them.</summary>
/// <param name="paths">The files; those that end in .gz are unpacked.</param>
/// <param name="separator">The line that stands alone between documents, or null where a file is one.</param>
public sealed class TextFileSource(IReadOnlyList<string> paths, string? separator = null) : FileDocumentSource(paths)
{
    private protected override async IAsyncEnumerable<(string? Id, string? Text)> ReadAsync(string path, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var stream = Open(path);
        var text = new StringBuilder();
        var isTooLarge = false;
        await foreach (var line in BoundedLines.ReadAsync(stream, MaxDocumentBytes, cancellation).ConfigureAwait(false))
        {
            var content = line is null ? null : Encoding.UTF8.GetString(line);
            if (separator is not null && content == separator)
            {
                if (isTooLarge || text.Length > 0)
                    yield return (null, isTooLarge ? null : text.ToString());
                _ = text.Clear();
                isTooLarge = false;
                continue;
            }
            isTooLarge |= content is null || text.Length + content.Length > MaxDocumentBytes;
            _ = isTooLarge ? text.Clear() : text.Append(content).Append('\n');
        }
        if (isTooLarge || text.Length > 0)
            yield return (null, isTooLarge ? null : text.ToString());
    }
}
