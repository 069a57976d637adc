using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The tensors of a checkpoint in one file, or in several that an index names: safetensors, or PyTorch's <c>.bin</c>.</summary>
/// <remarks>All files are mapped, and values are read where they are needed. An index is checked whole before anything is read: each tensor is
/// in the file that the index says, and each file is beside the index.</remarks>
internal sealed class CheckpointFiles : IDisposable
{
    internal const string IndexEnding = ".index.json";
    private const int MaxIndexBytes = 64 << 20;

    private readonly Dictionary<string, StoredTensor> stored = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SafetensorsReader> readers = new(StringComparer.Ordinal);
    private readonly List<IDisposable> opened = [];
    private readonly bool isPublished;

    private CheckpointFiles(string path, bool isPublished) => (Path, this.isPublished) = (path, isPublished);

    /// <summary>The file of the weights, or the index.</summary>
    internal string Path { get; }

    /// <summary>All tensors.</summary>
    internal IReadOnlyList<SafetensorsEntry> Entries { get; private set; } = [];

    /// <summary>Tensors in the files of an index that the index does not name, so that they do not belong to the checkpoint.</summary>
    internal IReadOnlyList<string> Unlisted { get; private set; } = [];

    /// <summary>The files that hold the tensors.</summary>
    internal IReadOnlyList<string> FileNames => [.. stored.Values.Select(tensor => System.IO.Path.GetFileName(tensor.File)).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>Opens a file of weights or an index.</summary>
    /// <param name="path">A file; one that ends in <c>.index.json</c> is an index, one that ends in <c>.bin</c> is PyTorch's.</param>
    /// <param name="isPublished">Whether a published folder is read: its index decides what belongs to it, and PyTorch's files are read too.</param>
    /// <exception cref="SafetensorsException">A file breaks the format, or the index and its files do not agree.</exception>
    /// <exception cref="PickleException">A file of PyTorch is damaged, or holds more than tensors.</exception>
    internal static CheckpointFiles Open(string path, bool isPublished = false)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        LibTorch.EnsureLoaded();
        var files = new CheckpointFiles(path, isPublished);
        try
        {
            if (path.EndsWith(IndexEnding, StringComparison.Ordinal))
                files.OpenIndex();
            else
                files.Entries = [.. files.Add(path).Select(tensor => tensor.Entry)];
            return files;
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Where a tensor is.</summary>
    internal StoredTensor this[string name] => stored[name];

    /// <summary>Reads one tensor; the caller disposes it.</summary>
    internal Tensor Read(string name)
    {
        if (readers.TryGetValue(name, out var reader))
            return reader.Read(name);
        using var view = stored[name].View();
        return view.clone();
    }

    /// <summary>Reads one tensor into a target of its shape.</summary>
    /// <returns>Whether all numbers that the target got are finite.</returns>
    internal bool ReadInto(string name, Tensor target)
    {
        using var view = stored[name].View();
        return MappedCopy.Into(view, target);
    }

    /// <summary>Reads every tensor but those that <paramref name="isLeftOut"/> names; the caller disposes them.</summary>
    internal Dictionary<string, Tensor> ReadAll(Func<string, bool> isLeftOut)
    {
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        try
        {
            foreach (var entry in Entries.Where(entry => entry.IsReadable || !isLeftOut(entry.Name)))
                tensors.Add(entry.Name, Read(entry.Name));
            return tensors;
        }
        catch
        {
            foreach (var tensor in tensors.Values)
                tensor.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        stored.Clear();
        foreach (var file in opened)
            file.Dispose();
    }

    // Opens a file and takes all of its tensors.
    private List<StoredTensor> Add(string path)
    {
        var found = new List<StoredTensor>();
        if (isPublished && path.EndsWith(".bin", StringComparison.Ordinal))
        {
            var (tensors, file) = PickleReader.Map(path);
            opened.Add(file);
            foreach (var (name, tensor) in tensors)
            {
                using (tensor)
                    found.Add(new StoredTensor(new SafetensorsEntry(name, tensor.dtype, tensor.shape, 0, tensor.numel() * tensor.element_size()), path, tensor.numel() == 0 ? 0 : TensorAddress.Of(tensor), tensor.stride()));
            }
        }
        else
        {
            var reader = new SafetensorsReader(path);
            opened.Add(reader);
            foreach (var tensor in reader.Stored)
            {
                found.Add(tensor);
                _ = readers.TryAdd(tensor.Entry.Name, reader);
            }
        }
        foreach (var tensor in found)
            _ = stored.TryAdd(tensor.Entry.Name, tensor);
        return found;
    }

    private void OpenIndex()
    {
        var map = Map();
        var entries = new List<SafetensorsEntry>();
        var unlisted = new List<string>();
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path))!;
        var shards = map.GroupBy(pair => pair.Value, pair => pair.Key, StringComparer.Ordinal).ToArray();
        foreach (var shard in shards)
        {
            if (!File.Exists(System.IO.Path.Combine(folder, CheckedName(shard.First(), shard.Key))))
                throw Fault(shard.First(), $"it should be in '{shard.Key}', {(new FileInfo(System.IO.Path.Combine(folder, shard.Key)).LinkTarget is { } target ? $"which is a link to {target}, where no file is" : "which is not beside the index")}; complete the folder{UnfinishedDownload.In(folder)}");
        }
        foreach (var shard in shards)
        {
            var found = Add(System.IO.Path.Combine(folder, shard.Key)).ToDictionary(tensor => tensor.Entry.Name, StringComparer.Ordinal);
            foreach (var name in shard)
            {
                if (!found.Remove(name, out var tensor))
                    throw Fault(name, $"it should be in '{shard.Key}', which does not hold it; the files are not of one checkpoint");
                entries.Add(tensor.Entry);
                stored[name] = tensor;
                if (readers.ContainsKey(name))
                    readers[name] = (SafetensorsReader)opened[^1];
            }
            if (found.Count > 0 && !isPublished)
                throw Fault(found.First().Key, $"it is in '{shard.Key}', where the index {(map.TryGetValue(found.First().Key, out var other) ? $"does not put it but in '{other}'" : "names no such tensor")}; the files are not of one checkpoint");
            unlisted.AddRange(found.Keys.Where(name => !map.ContainsKey(name)));
        }
        Entries = entries;
        Unlisted = [.. unlisted.Distinct().Order(StringComparer.Ordinal)];
    }

    private Dictionary<string, string> Map()
    {
        var root = StrictJson.ReadObject(Path, (place, problem, cause) => Fault(null, $"{place}: {UnfinishedDownload.Remedied(problem, cause, Path)}", cause), MaxIndexBytes);
        if (root["weight_map"] is not JsonObject map)
            throw Fault(null, "$.weight_map: is missing or no object, so this is no index of a checkpoint in several files; download it again");
        return map.ToDictionary(
            pair => pair.Key,
            pair => pair.Value is JsonValue value && value.TryGetValue<string>(out var file) ? file : throw Fault(pair.Key, "the index does not name its file by a text; download the index again"),
            StringComparer.Ordinal);
    }

    // A file beside the index: what could lead anywhere else is no name.
    private string CheckedName(string name, string file) =>
        file.Length is > 0 and <= 255 && file is not ("." or "..") && file.AsSpan().IndexOfAny("/\\:\0") < 0
            ? file
            : throw Fault(name, $"'{SafetensorsException.Shown(file)}' is no plain name of a file beside the index; put the file there, and its name into the index");

    private SafetensorsException Fault(string? name, string fault, Exception? cause = null) => new(Path, name, fault, cause);
}

/// <summary>What is left of a download that did not end.</summary>
internal static class UnfinishedDownload
{
    /// <summary>A part of a sentence that names a half-written file of a folder; empty where there is none.</summary>
    internal static string In(string folder) => Name(folder) is { } file ? $" ('{file}' is there, which a download leaves that did not end; run it again)" : "";

    /// <summary>The same for the folder of a file that is cut short.</summary>
    internal static string Beside(string path) => In(Path.GetDirectoryName(Path.GetFullPath(path))!);

    /// <summary>What is wrong with a JSON file that others made, with the remedy where it is cut or no JSON at all.</summary>
    internal static string Remedied(string problem, Exception? cause, string path) =>
        cause is System.Text.Json.JsonException ? $"{problem.TrimEnd('.')}; download it again, or correct it{Beside(path)}" : problem;

    private static string? Name(string folder)
    {
        // The hub's own cache keeps the files of a snapshot in a folder beside all snapshots.
        string[] places = [folder, Path.Combine(folder, ".cache", "huggingface", "download"), .. Path.GetFileName(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)))) == "snapshots" ? [Path.Combine(folder, "..", "..", "blobs")] : Array.Empty<string>()];
        var file = places.Where(Directory.Exists).SelectMany(place => Directory.EnumerateFiles(place, "*.incomplete")).Order(StringComparer.Ordinal).FirstOrDefault();
        return file is null ? null : Path.GetRelativePath(folder, file);
    }
}
