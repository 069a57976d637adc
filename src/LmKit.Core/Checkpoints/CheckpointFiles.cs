using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The tensors of a checkpoint in one safetensors file, or in several that an index names.</summary>
/// <remarks>An index is checked whole before anything is read: each tensor lies in the file that the index says, each file lies beside the
/// index and holds nothing that the index does not name.</remarks>
internal sealed class CheckpointFiles : IDisposable
{
    internal const string IndexEnding = ".index.json";
    private const int MaxIndexBytes = 64 << 20;

    private readonly Dictionary<string, SafetensorsReader> readers;
    private readonly List<SafetensorsReader> opened = [];

    private CheckpointFiles(string path)
    {
        Path = path;
        readers = new(StringComparer.Ordinal);
    }

    /// <summary>The safetensors file or the index.</summary>
    internal string Path { get; }

    /// <summary>All tensors.</summary>
    internal IReadOnlyList<SafetensorsEntry> Entries { get; private set; } = [];

    /// <summary>Opens a safetensors file or an index.</summary>
    /// <exception cref="SafetensorsException">A file breaks the format, or the index and its files do not agree.</exception>
    internal static CheckpointFiles Open(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var files = new CheckpointFiles(path);
        try
        {
            if (path.EndsWith(IndexEnding, StringComparison.Ordinal))
                files.OpenIndex();
            else
                files.OpenOne();
            return files;
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Reads one tensor; the caller disposes it.</summary>
    internal Tensor Read(string name) => readers[name].Read(name);

    /// <summary>Reads one tensor into a target of its shape.</summary>
    /// <returns>Whether all numbers that the target got are finite.</returns>
    internal bool ReadInto(string name, Tensor target)
    {
        if (readers[name].FitsInto(name, target))
            return readers[name].ReadInto(name, target);
        using var tensor = Read(name);
        target.copy_(tensor);
        return FiniteNumbers.All(target);
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
        foreach (var reader in opened)
            reader.Dispose();
    }

    private SafetensorsReader Add(string path)
    {
        var reader = new SafetensorsReader(path);
        opened.Add(reader);
        return reader;
    }

    private void OpenOne()
    {
        var reader = Add(Path);
        Entries = reader.Entries;
        foreach (var entry in reader.Entries)
            readers.Add(entry.Name, reader);
    }

    private void OpenIndex()
    {
        var map = Map();
        var entries = new List<SafetensorsEntry>();
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path))!;
        var shards = map.GroupBy(pair => pair.Value, pair => pair.Key, StringComparer.Ordinal).ToArray();
        foreach (var shard in shards)
        {
            if (!File.Exists(System.IO.Path.Combine(folder, CheckedName(shard.Key))))
                throw Fault(shard.First(), $"it should lie in '{shard.Key}', which is not beside the index; complete the folder");
        }
        foreach (var shard in shards)
        {
            var reader = Add(System.IO.Path.Combine(folder, shard.Key));
            var found = reader.Entries.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
            foreach (var name in shard)
            {
                if (!found.Remove(name, out var entry))
                    throw Fault(name, $"it should lie in '{shard.Key}', which does not hold it; the files are not of one checkpoint");
                entries.Add(entry);
                readers.Add(name, reader);
            }
            if (found.Count > 0)
                throw Fault(found.First().Key, $"it lies in '{shard.Key}', where the index {(map.TryGetValue(found.First().Key, out var other) ? $"does not put it but in '{other}'" : "names no such tensor")}; the files are not of one checkpoint");
        }
        Entries = entries;
    }

    private Dictionary<string, string> Map()
    {
        var root = StrictJson.ReadObject(Path, (place, problem, cause) => Fault(null, $"{place}: {problem}", cause), MaxIndexBytes);
        if (root["weight_map"] is not JsonObject map)
            throw Fault(null, "$.weight_map: is missing or no object, so this is no index of a checkpoint in several files");
        return map.ToDictionary(
            pair => pair.Key,
            pair => pair.Value is JsonValue value && value.TryGetValue<string>(out var file) ? file : throw Fault(pair.Key, "the index does not name its file by a text"),
            StringComparer.Ordinal);
    }

    // A file beside the index: what could lead anywhere else is no name.
    private string CheckedName(string file) =>
        file.Length is > 0 and <= 255 && file is not ("." or "..") && file.AsSpan().IndexOfAny("/\\:\0") < 0
            ? file
            : throw Fault(null, $"'{SafetensorsException.Shown(file)}' is no plain name of a file beside the index");

    private SafetensorsException Fault(string? name, string fault, Exception? cause = null) => new(Path, name, fault, cause);
}
