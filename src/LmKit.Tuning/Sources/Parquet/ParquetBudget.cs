namespace LmKit;

/// <summary>What reading a Parquet file may cost, by its size: a small file that unpacks to much is refused, not read.</summary>
/// <param name="fileLength">The file's bytes.</param>
internal sealed class ParquetBudget(long fileLength)
{
    private readonly long mostHeld = (24 << 20) + (2 * fileLength);
    private long held;
    private long rowsLeft = (4 << 20) + (256 * fileLength);
    private long bytesLeft = (48 << 20) + (128 * fileLength);
    private long textLeft = (20 << 20) + (128 * fileLength);

    /// <summary>Takes up rows.</summary>
    internal void TakeRows(long count)
    {
        if (count > rowsLeft)
            throw TooMuch($"{count} rows");
        rowsLeft -= count;
    }

    /// <summary>Takes up bytes that are unpacked.</summary>
    internal void TakeBytes(long count)
    {
        if (count > bytesLeft)
            throw TooMuch($"{count} unpacked bytes more");
        bytesLeft -= count;
    }

    /// <summary>Takes up bytes that are made into text.</summary>
    internal void TakeText(long count)
    {
        if (count > textLeft)
            throw TooMuch($"{count} bytes of text more");
        textLeft -= count;
    }

    /// <summary>A buffer of at least so many bytes, in the place of one that is let go.</summary>
    internal byte[] Hold(byte[] old, long length)
    {
        if (length <= old.Length)
            return old;
        if (held - old.Length + length > mostHeld)
            throw TooMuch($"a page of {length} bytes");
        held += length - old.Length;
        return new byte[length];
    }

    private InvalidDataException TooMuch(string what) =>
        new($"{what} are more than a file of {fileLength} bytes should hold; write it again with smaller pages or less compression if it is sound");
}
