namespace LmKit;

/// <summary>A store of activations is damaged or belongs to something else.</summary>
public sealed class ActivationStoreException : IOException
{
    /// <summary>Makes the exception from the file or folder and its fault.</summary>
    public ActivationStoreException(string path, string fault, Exception? innerException = null)
        : base($"{path}: {fault}", innerException) => FilePath = path;

    /// <summary>What was refused.</summary>
    public string FilePath { get; }
}
