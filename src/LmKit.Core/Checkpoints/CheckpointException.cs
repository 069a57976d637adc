namespace LmKit;

/// <summary>A training checkpoint is damaged: cut short, altered, of the wrong form, or holding values that are not finite.</summary>
/// <remarks>One that is whole but belongs to another run is refused by <see cref="CheckpointMismatchException"/> instead.</remarks>
public sealed class CheckpointException : IOException
{
    /// <summary>Makes the exception from the file or folder, the tensor that the fault concerns (null for the whole file) and the fault.</summary>
    public CheckpointException(string path, string? tensorName, string fault, Exception? innerException = null)
        : base(tensorName is null ? $"{path}: {fault}" : $"{path}: tensor '{tensorName}': {fault}", innerException)
    {
        FilePath = path;
        TensorName = tensorName;
        Fault = fault;
    }

    internal string Fault { get; }

    /// <summary>The file or folder that was refused.</summary>
    public string FilePath { get; }

    /// <summary>The tensor that the fault concerns, or null when it concerns the whole file.</summary>
    public string? TensorName { get; }
}
