namespace LmKit.House;

/// <summary>A text file of the repository: its path from the root with forward slashes, and its text.</summary>
internal sealed record SourceFile(string Path, string Text)
{
    public string[] Lines { get; } = Text.TrimEnd('\n').Split('\n');

    public string Name => System.IO.Path.GetFileName(Path);

    /// <summary>The name up to the first dot: the type's name, for partial files such as FlashConv.Cpu.cs too.</summary>
    public string Stem => Name.Split('.')[0];

    /// <summary>The package folder under src, or an empty string.</summary>
    public string Package => Path.StartsWith("src/", StringComparison.Ordinal) ? Path.Split('/')[1] : "";

    public bool IsInFolder(string folder) => Path.Split('/').SkipLast(1).Contains(folder);
}
