namespace LmKit;

/// <summary>A configuration that cannot work: names the place in it, the value, and the remedy.</summary>
/// <param name="path">Where, as a JSON path such as <c>$.components[2].options.head_dim</c>.</param>
/// <param name="problem">The value and what is wrong with it, with the remedy.</param>
/// <param name="innerException">The cause, where there is one.</param>
public sealed class ConfigurationException(string path, string problem, Exception? innerException = null)
    : Exception($"{path}: {problem}", innerException)
{
    /// <summary>Where, as a JSON path.</summary>
    public string Path { get; } = path;
}
