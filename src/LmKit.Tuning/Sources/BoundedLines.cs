using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>Lines of a stream as bytes; one that is too long is passed over without being held.</summary>
internal static class BoundedLines
{
    private static readonly byte[] Mark = [0xEF, 0xBB, 0xBF];

    /// <summary>The lines, without their ends, each until the next is asked for; null for one that is too long.</summary>
    internal static async IAsyncEnumerable<ReadOnlyMemory<byte>?> ReadAsync(Stream stream, int longest, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var buffer = new byte[1 << 16];
        var line = new BoundedBytes(longest);
        var (isFirst, isOpen) = (true, false);
        for (int count; (count = await stream.ReadAsync(buffer, cancellation).ConfigureAwait(false)) > 0;)
        {
            for (var at = 0; at < count;)
            {
                var length = buffer.AsSpan(at, count - at).IndexOf((byte)'\n');
                var taken = length < 0 ? count - at : length;
                line.Append(buffer.AsSpan(at, taken));
                at += taken + 1;
                isOpen = length < 0;
                if (!isOpen)
                {
                    yield return Whole(line, isFirst);
                    line.Clear();
                    isFirst = false;
                }
            }
        }
        if (isOpen)
            yield return Whole(line, isFirst);
    }

    private static ReadOnlyMemory<byte>? Whole(BoundedBytes line, bool isFirst)
    {
        if (line.IsTooLong)
            return null;
        var bytes = line.Gathered;
        if (isFirst && bytes.Span.StartsWith(Mark))
            bytes = bytes[Mark.Length..];
        return bytes.Span is [.., (byte)'\r'] ? bytes[..^1] : bytes;
    }
}
