namespace LmKit;

/// <summary>What shows whether files of a folder were replaced: their names, lengths and times.</summary>
/// <remarks>A writer gives a file that replaces another a later time than that one had (<see cref="FolderCommit"/>).</remarks>
internal sealed class FolderStamp : IEquatable<FolderStamp>
{
    private readonly (string Name, long Length, DateTime Time)[] files;

    private FolderStamp((string Name, long Length, DateTime Time)[] files) => this.files = files;

    /// <summary>The state of some files, or of all that lie directly in the folder.</summary>
    internal static FolderStamp Of(string folder, string[]? names)
    {
        var found = names is not null ? names.Select(name => new FileInfo(Path.Combine(folder, name)))
            : Directory.Exists(folder) ? new DirectoryInfo(folder).EnumerateFiles()
            : [];
        return new([.. found.Select(Look).OrderBy(file => file.Item1, StringComparer.Ordinal)]);
    }

    public bool Equals(FolderStamp? other) => other is not null && files.SequenceEqual(other.files);

    public override bool Equals(object? obj) => Equals(obj as FolderStamp);

    public override int GetHashCode() => files.Length;

    public static bool operator ==(FolderStamp left, FolderStamp right) => left.Equals(right);

    public static bool operator !=(FolderStamp left, FolderStamp right) => !left.Equals(right);

    private static (string, long, DateTime) Look(FileInfo file)
    {
        try
        {
            return file.Exists ? (file.Name, file.Length, file.LastWriteTimeUtc) : (file.Name, -1, default);
        }
        catch (FileNotFoundException)
        {
            return (file.Name, -1, default); // it went while we looked
        }
    }
}
