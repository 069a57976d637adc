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

/// <summary>Bytes that are gathered up to a limit; more are counted out, not held.</summary>
/// <param name="most">The limit.</param>
internal sealed class BoundedBytes(int most)
{
    // Beyond it the whole limit is taken at once: memory that is not written to costs nothing, old copies would.
    private const int DoubledLength = 1 << 20;

    private byte[] bytes = [];
    private int length;

    /// <summary>Whether more came than the limit.</summary>
    internal bool IsTooLong { get; private set; }

    /// <summary>What was gathered, until more comes.</summary>
    internal ReadOnlyMemory<byte> Gathered => bytes.AsMemory(0, length);

    /// <summary>Whether nothing came.</summary>
    internal bool IsEmpty => length == 0 && !IsTooLong;

    internal void Append(ReadOnlySpan<byte> more)
    {
        if (IsTooLong || more.Length > most - length)
        {
            Overflow();
            return;
        }
        if (length + more.Length > bytes.Length)
        {
            var size = length + more.Length > DoubledLength ? most : Math.Min(most, Math.Max(1 << 12, 2 * (length + more.Length)));
            var larger = GC.AllocateUninitializedArray<byte>(size);
            bytes.AsSpan(0, length).CopyTo(larger);
            bytes = larger;
        }
        more.CopyTo(bytes.AsSpan(length));
        length += more.Length;
    }

    /// <summary>Lets go of all, as too long.</summary>
    internal void Overflow() => (IsTooLong, length) = (true, 0);

    internal void Clear() => (IsTooLong, length) = (false, 0);
}
