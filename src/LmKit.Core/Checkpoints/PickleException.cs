namespace LmKit;

/// <summary>A PyTorch file holds something other than tensors, numbers, texts, lists and dictionaries, or is damaged.</summary>
public sealed class PickleException : IOException
{
    /// <summary>Makes the exception from the file and its fault.</summary>
    public PickleException(string path, string fault, Exception? innerException = null)
        : base($"{path}: {fault}", innerException) => FilePath = path;

    /// <summary>The file that was refused.</summary>
    public string FilePath { get; }
}
