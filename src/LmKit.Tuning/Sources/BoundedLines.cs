using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>Lines of a stream as bytes; one that is too long is passed over without being held.</summary>
internal static class BoundedLines
{
    private static readonly byte[] Mark = [0xEF, 0xBB, 0xBF];

    /// <summary>The lines, without their ends; null for one that is too long.</summary>
    internal static async IAsyncEnumerable<byte[]?> ReadAsync(Stream stream, int longest, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var buffer = new byte[1 << 16];
        using var line = new MemoryStream();
        var (isFirst, isTooLong, isEmpty) = (true, false, true);
        for (int count; (count = await stream.ReadAsync(buffer, cancellation).ConfigureAwait(false)) > 0;)
        {
            for (var at = 0; at < count;)
            {
                var length = buffer.AsSpan(at, count - at).IndexOf((byte)'\n');
                var taken = length < 0 ? count - at : length;
                isTooLong |= line.Length + taken > longest;
                if (!isTooLong)
                    line.Write(buffer, at, taken);
                at += taken + 1;
                isEmpty = length >= 0;
                if (length >= 0)
                    yield return Take();
            }
        }
        if (!isEmpty)
            yield return Take();

        byte[]? Take()
        {
            var bytes = line.ToArray();
            line.SetLength(0);
            var result = isTooLong ? null : isFirst && bytes.AsSpan().StartsWith(Mark) ? bytes[Mark.Length..] : bytes;
            (isFirst, isTooLong) = (false, false);
            return result is [.., (byte)'\r'] ? result[..^1] : result;
        }
    }
}
