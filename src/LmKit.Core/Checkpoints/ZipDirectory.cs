using System.Buffers.Binary;

namespace LmKit;

/// <summary>Counts the entries of a zip archive without making anything of them.</summary>
internal static class ZipDirectory
{
    private const int EndLength = 22;
    private const int MaxComment = 0xFFFF;
    private const int HeaderLength = 46;
    private const int LocatorLength = 20;
    private const int LargeEndLength = 56;

    /// <summary>Whether an archive has at most so many entries; an archive that cannot be read is left to its reader.</summary>
    internal static bool HasAtMost(FileStream file, int most)
    {
        if (Start(file) is not { } start || start < 0 || start > file.Length)
            return true;
        file.Position = start;
        Span<byte> header = stackalloc byte[HeaderLength];
        for (var count = 0; file.ReadAtLeast(header, HeaderLength, throwOnEndOfStream: false) == HeaderLength && header[..4].SequenceEqual("PK\u0001\u0002"u8); count++)
        {
            if (count == most)
                return false;
            // The lengths of name, extra field and comment, which follow.
            file.Position += Short(header, 28) + Short(header, 30) + Short(header, 32);
        }
        return true;
    }

    // Where the directory starts, told at the archive's end; in large archives another record says it.
    private static long? Start(FileStream file)
    {
        var tail = new byte[(int)Math.Min(file.Length, EndLength + MaxComment)];
        file.Position = file.Length - tail.Length;
        file.ReadExactly(tail);
        var end = tail.AsSpan().LastIndexOf("PK\u0005\u0006"u8);
        if (end < 0 || tail.Length - end < EndLength)
            return null;
        var start = BinaryPrimitives.ReadUInt32LittleEndian(tail.AsSpan(end + 16));
        if (start != uint.MaxValue || end < LocatorLength || !tail.AsSpan(end - LocatorLength, 4).SequenceEqual("PK\u0006\u0007"u8))
            return start;
        Span<byte> record = stackalloc byte[LargeEndLength];
        var place = BinaryPrimitives.ReadInt64LittleEndian(tail.AsSpan(end - LocatorLength + 8));
        if (place < 0 || place > file.Length)
            return null;
        file.Position = place;
        return file.ReadAtLeast(record, LargeEndLength, throwOnEndOfStream: false) == LargeEndLength ? BinaryPrimitives.ReadInt64LittleEndian(record[48..]) : null;
    }

    private static int Short(ReadOnlySpan<byte> header, int at) => BinaryPrimitives.ReadUInt16LittleEndian(header[at..]);
}
