namespace LmKit;

/// <summary>What reading one pickle may allocate in all, so that a small file cannot ask for much.</summary>
/// <param name="path">The file, for the error.</param>
/// <param name="fileLength">Its length in bytes.</param>
internal sealed class PickleBudget(string path, long fileLength)
{
    private const long Floor = 44L << 20;

    // Bytes that one of each takes here at most, growth of its container included.
    internal const int Item = 32;
    internal const int Entry = 96;
    internal const int Dictionary = 200;
    internal const int Tensor = 640;

    private readonly long limit = Floor + (3 * fileLength);
    private long spent;

    /// <summary>Takes bytes before they are allocated.</summary>
    internal void Charge(long bytes)
    {
        spent += bytes;
        if (spent > limit)
            throw new PickleException(path, $"what it builds takes more than {limit} bytes, though the file has only {fileLength}; no checkpoint of tensors does");
    }
}
