namespace LmKit;

/// <summary>A configuration that cannot work: names the place in it, the value, and the remedy; the file too, where it came from one.</summary>
public sealed class ConfigurationException : Exception
{
    private const int MaxShown = 2_000;

    private readonly string problem;

    /// <summary>Makes the exception.</summary>
    /// <param name="path">Where, as a JSON path such as <c>$.components[2].options.head_dim</c>, or as the key of a container's configuration such
    /// as <c>Models:Small:VocabSize</c>.</param>
    /// <param name="problem">The value and what is wrong with it, with the remedy.</param>
    /// <param name="innerException">The cause, where there is one.</param>
    public ConfigurationException(string path, string problem, Exception? innerException = null)
        : this(null, path, problem, innerException)
    {
    }

    private ConfigurationException(string? file, string path, string problem, Exception? innerException)
        : base(Cut((file is null ? "" : $"{file}: ") + (problem.Contains($"({path})", StringComparison.Ordinal) ? problem : $"{path}: {problem}")), innerException) =>
        (FilePath, Path, this.problem) = (file, path, problem);

    /// <summary>The file that holds the configuration, or null when it came from no file.</summary>
    public string? FilePath { get; }

    /// <summary>Where, as a JSON path, or as the key of a container's configuration.</summary>
    public string Path { get; }

    /// <summary>The same fault, said of a file; one that names its file already stays as it is.</summary>
    internal static ConfigurationException In(string file, ConfigurationException error) =>
        error.FilePath is null ? new(file, error.Path, error.problem, error) : error;

    /// <summary>The same fault, said of the place where it was written.</summary>
    internal static ConfigurationException At(string path, ConfigurationException error) =>
        new(error.FilePath, path, error.problem.Replace($"({error.Path})", $"({path})", StringComparison.Ordinal), error);

    /// <summary>The same fault, said of a model that a container knows by a key.</summary>
    internal static ConfigurationException ForModel(string model, ConfigurationException error) => new($"model '{model}'", error);

    private ConfigurationException(string subject, ConfigurationException error)
        : base(Cut($"{subject}: {error.Message}"), error) =>
        (FilePath, Path, problem) = (error.FilePath, error.Path, error.problem);

    // A hostile value may be as long as its file.
    private static string Cut(string message) => message.Length <= MaxShown ? message : $"{message[..MaxShown]}...";
}
