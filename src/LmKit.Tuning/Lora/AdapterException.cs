namespace LmKit;

/// <summary>An adapter folder that cannot be used: names the file, the key and the remedy.</summary>
/// <param name="path">The file or folder.</param>
/// <param name="problem">What is wrong, with the remedy.</param>
/// <param name="innerException">The cause, where there is one.</param>
public sealed class AdapterException(string path, string problem, Exception? innerException = null)
    : Exception($"{path}: {problem}", innerException)
{
    /// <summary>The file or folder.</summary>
    public string Path { get; } = path;
}
