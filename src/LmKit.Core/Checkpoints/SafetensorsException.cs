namespace LmKit;

/// <summary>A safetensors file breaks a rule of its format.</summary>
public sealed class SafetensorsException : IOException
{
    /// <summary>Makes the exception from the file, the tensor the fault concerns (null for the file as a whole) and the fault.</summary>
    public SafetensorsException(string path, string? tensorName, string fault, Exception? innerException = null)
        : base(tensorName is null ? $"{path}: {fault}" : $"{path}: tensor '{tensorName}': {fault}", innerException)
    {
        FilePath = path;
        TensorName = tensorName;
    }

    /// <summary>The file that was refused.</summary>
    public string FilePath { get; }

    /// <summary>The tensor the fault concerns, or null when it concerns the whole file.</summary>
    public string? TensorName { get; }
}
