namespace LmKit;

/// <summary>A data-set folder that cannot be used as it is, or a run that cannot go on.</summary>
/// <param name="path">The file or folder.</param>
/// <param name="problem">What is wrong, with the remedy.</param>
/// <param name="innerException">The cause, where there is one.</param>
public sealed class DatasetException(string path, string problem, Exception? innerException = null)
    : Exception($"{path}: {problem}", innerException)
{
    /// <summary>The file or folder.</summary>
    public string Path { get; } = path;
}
