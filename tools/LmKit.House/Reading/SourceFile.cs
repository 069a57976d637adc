namespace LmKit.House;

/// <summary>A text file of the repository: its path from the root with forward slashes, and its text.</summary>
internal sealed record SourceFile(string Path, string Text)
{
    internal string[] Lines { get; } = Text.TrimEnd('\n').Split('\n');

    internal string Name => System.IO.Path.GetFileName(Path);

    /// <summary>The name up to the first dot: the type's name, for partial files such as FlashConv.Cpu.cs too.</summary>
    internal string Stem => Name.Split('.')[0];

    /// <summary>The package folder under src, or an empty string.</summary>
    internal string Package => Path.StartsWith("src/", StringComparison.Ordinal) ? Path.Split('/')[1] : "";

    internal bool IsInFolder(string folder) => Path.Split('/').SkipLast(1).Contains(folder);
}
