namespace LmKit;

/// <summary>A safetensors file breaks a rule of its format, or holds a tensor that cannot be used.</summary>
public sealed class SafetensorsException : IOException
{
    private const int MaxShown = 200;

    /// <summary>Makes the exception from the file, the tensor the fault concerns (null for the file as a whole) and the fault.</summary>
    public SafetensorsException(string path, string? tensorName, string fault, Exception? innerException = null)
        : base(tensorName is null ? $"{path}: {fault}" : $"{path}: tensor '{Shown(tensorName)}': {fault}", innerException)
    {
        FilePath = path;
        TensorName = tensorName;
    }

    /// <summary>The file that was refused.</summary>
    public string FilePath { get; }

    /// <summary>The tensor the fault concerns, or null when it concerns the whole file.</summary>
    public string? TensorName { get; }

    // A hostile name may be as long as its file.
    internal static string Shown(string text) => text.Length <= MaxShown ? text : $"{text[..MaxShown]}...";
}
