namespace LmKit;

/// <summary>Lines of a file as bytes, each at most once in memory; one that is too long is refused unread.</summary>
internal static class FileLines
{
    private const int ReadLength = 1 << 16;

    /// <summary>The lines from where the file stands, without their ends; the last may lack its end.</summary>
    /// <param name="file">The file, without a buffer of its own.</param>
    /// <param name="longest">Bytes of the longest line that is read.</param>
    /// <param name="refuse">Makes the exception for a longer one, by its number from 1.</param>
    internal static IEnumerable<(byte[] Bytes, bool IsWhole)> Read(FileStream file, long longest, Func<int, Exception> refuse)
    {
        var buffer = new byte[ReadLength];
        var (start, position, number) = (file.Position, file.Position, 1);
        while (true)
        {
            file.Position = position;
            var count = file.Read(buffer);
            if (count == 0)
                break;
            for (var at = 0; at < count;)
            {
                var length = buffer.AsSpan(at, count - at).IndexOf((byte)'\n');
                if (length < 0)
                    break;
                var end = position + at + length;
                if (end - start > longest)
                    throw refuse(number);
                yield return (start >= position ? buffer[(int)(start - position)..(at + length)] : Line(file, start, end), true);
                (start, at, number) = (end + 1, at + length + 1, number + 1);
            }
            position += count;
            if (position - start > longest)
                throw refuse(number);
        }
        if (position > start)
            yield return (Line(file, start, position), false);
    }

    private static byte[] Line(FileStream file, long start, long end)
    {
        var line = new byte[end - start];
        file.Position = start;
        file.ReadExactly(line);
        return line;
    }
}
