using LmKit.Conformance;

namespace LmKit.Core.Tests;

/// <summary>The golden folders of published models.</summary>
internal static class PublishedFolders
{
    internal static IReadOnlyList<string> All { get; } = [.. Directory.GetDirectories(Path.Combine(GoldenSource.Repository.Root!, "core", "models")).Order(StringComparer.Ordinal)];

    internal static string Of(string name) => All.Single(folder => Path.GetFileName(folder) == name);

    /// <summary>The weights of a folder, whatever files hold them.</summary>
    internal static CheckpointFiles Open(string folder) => CheckpointFiles.Open(
        ((string[])["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"]).Select(file => Path.Combine(folder, file)).First(File.Exists),
        isPublished: true);

    /// <summary>The names of all tensors of a folder's weights.</summary>
    internal static IReadOnlyList<string> Names(string folder)
    {
        using var files = Open(folder);
        return [.. files.Entries.Select(entry => entry.Name)];
    }

    /// <summary>Copies a folder's files, so that some can be changed.</summary>
    internal static string Copy(string name, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.GetFiles(Of(name)))
            File.WriteAllBytes(Path.Combine(to, Path.GetFileName(file)), File.ReadAllBytes(file));
        return to;
    }
}
