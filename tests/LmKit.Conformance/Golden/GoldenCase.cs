using System.Text.Json;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>One golden file (or sub-folder) with the kind that its name was found to have, and what a check has used of it.</summary>
/// <param name="path">The file or folder.</param>
/// <param name="kind">The known prefix of its name.</param>
/// <param name="isMissing">Which tensors belong to parts that no package computes yet; null for none.</param>
/// <remarks>Tensors that it reads belong to the dispose scope that is open when they are read. A check that leaves a tensor, an option, a
/// file of a folder or a property of a JSON entry unread, or compares nothing, is incomplete and fails (<see cref="RequireComplete"/>).</remarks>
public sealed class GoldenCase(string path, string kind, Func<string, bool>? isMissing = null) : IDisposable
{
    private readonly HashSet<string> readTensors = [];
    private readonly HashSet<string> readFiles = [];
    private readonly List<GoldenCase> inner = [];
    private readonly List<GoldenRecord> records = [];
    private SafetensorsReader? reader;
    private GoldenOptions? options;
    private string[]? tensors;

    /// <summary>The file or folder.</summary>
    public string Path { get; } = path;

    /// <summary>The known prefix of its name.</summary>
    public string Kind { get; } = kind;

    /// <summary>Its name without extension.</summary>
    public string Name { get; } = System.IO.Path.GetFileNameWithoutExtension(path);

    /// <summary>What the file states about itself.</summary>
    public GoldenOptions Options
    {
        get
        {
            _ = Reader;
            return options!;
        }
    }

    private SafetensorsReader Reader => reader ??= Open();

    /// <summary>Names of tensors that start with a prefix, in the file's order; all by default.</summary>
    public IReadOnlyList<string> Names(string prefix = "") =>
        [.. Reader.Entries.Select(entry => entry.Name).Where(name => name.StartsWith(prefix, StringComparison.Ordinal))];

    /// <summary>The distinct parts of names before a separator, in the file's order: the cases of a file that holds several.</summary>
    public IReadOnlyList<string> Groups(char separator) =>
        [.. Names().Where(name => name.Contains(separator)).Select(name => name[..name.IndexOf(separator)]).Distinct()];

    /// <summary>Whether there is a tensor of that name.</summary>
    public bool Has(string name) => Reader.Entries.Any(entry => entry.Name == name);

    /// <summary>Reads a tensor.</summary>
    public Tensor Tensor(string name)
    {
        var tensor = Reader.Read(name);
        _ = readTensors.Add(name);
        return tensor;
    }

    /// <summary>Reads all tensors whose names start with a prefix, by the rest of their names.</summary>
    public Dictionary<string, Tensor> Tensors(string prefix) => Names(prefix).ToDictionary(name => name[prefix.Length..], Tensor);

    /// <summary>Reads the complex tensor stored as <c>name.re</c> and <c>name.im</c>.</summary>
    public Tensor Complex(string name) => complex(Tensor($"{name}.re"), Tensor($"{name}.im"));

    /// <summary>Reads a one-entry tensor as a number.</summary>
    public double Number(string name)
    {
        using var tensor = Tensor(name);
        using var wide = tensor.to(ScalarType.Float64);
        return wide.item<double>();
    }

    /// <summary>Compares a tensor of the file with ours, as <see cref="Close.Check"/> does.</summary>
    public void Check(string name, Tensor actual, double absolute = 0, double relative = 0, double relativeToLargest = 0) =>
        Close.Check(name, Tensor(name), actual, absolute, relative, relativeToLargest);

    /// <summary>Compares a one-entry tensor of the file with our number.</summary>
    public void Check(string name, double actual, double tolerance)
    {
        using var ours = tensor(actual, ScalarType.Float64);
        using var theirs = Tensor(name);
        using var flat = theirs.reshape(1);
        using var one = ours.reshape(1);
        Close.Check(name, flat, one, absolute: tolerance);
    }

    /// <summary>Compares entries of a file with ours one by one, exactly.</summary>
    public void Equal<T>(string name, IEnumerable<T> expected, IEnumerable<T> actual)
    {
        var (theirs, ours) = (expected.ToArray(), actual.ToArray());
        Assert.True(theirs.SequenceEqual(ours), $"{Path}, {name}: expected {Shown(theirs)}, got {Shown(ours)}.");
        Comparisons.Note(theirs.Count(value => !EqualityComparer<T>.Default.Equals(value, default)));

        static string Shown(T[] values) => $"[{string.Join(", ", values.Select(value => value?.ToString() ?? "null"))}]";
    }

    /// <summary>Compares what a file's data do with the window that was measured for them.</summary>
    public void Within(string name, double actual, double low, double high)
    {
        Assert.True(actual >= low && actual <= high, $"{Path}, {name}: {actual} is not between {low} and {high}.");
        Comparisons.Note(1);
    }

    /// <summary>The objects of a JSON file that is a list of them.</summary>
    public IReadOnlyList<GoldenRecord> Records()
    {
        var root = Json();
        if (root.ValueKind != JsonValueKind.Array || root.EnumerateArray().Any(entry => entry.ValueKind != JsonValueKind.Object))
            Assert.Fail($"{Path} is not a list of objects, which the check of kind {Kind} needs.");
        records.AddRange(root.EnumerateArray().Select((entry, index) => new GoldenRecord($"entry {index}", entry)));
        return records;
    }

    /// <summary>Reads a JSON file whole.</summary>
    public JsonElement Json()
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path));
        return document.RootElement.Clone();
    }

    /// <summary>Opens a file or folder inside a folder case; the caller disposes it.</summary>
    public GoldenCase Inside(string relative)
    {
        var child = new GoldenCase(PathOf(relative), Kind);
        inner.Add(child);
        return child;
    }

    /// <summary>Path of a file or folder inside a folder case, which counts as read with all that it holds: the product's own reader takes it.</summary>
    public string PathOf(string relative)
    {
        var full = System.IO.Path.Combine(Path, relative);
        _ = readFiles.Add(System.IO.Path.GetFullPath(full));
        return full;
    }

    /// <summary>Fails when something of the file is unread or nothing was compared.</summary>
    /// <param name="compared">How many entries the check compared.</param>
    internal void RequireComplete(long compared)
    {
        var faults = Unread().ToList();
        if (compared == 0)
            faults.Insert(0, "nothing of it but zeros was compared");
        faults.AddRange(readTensors.Where(IsMissing).Select(name => $"{name} is read although it is listed as missing, so take it off that list"));
        Assert.True(faults.Count == 0, $"{System.IO.Path.GetFileName(Path)}: the check of kind {Kind} is not complete: {string.Join("; ", faults)}. Let the check read and compare it, or correct the file; CONTRIBUTING.md says how.");
    }

    /// <inheritdoc/>
    public void Dispose() => reader?.Dispose();

    private bool IsMissing(string name) => isMissing?.Invoke(name) == true;

    private IEnumerable<string> Unread()
    {
        foreach (var (what, names) in new (string, IEnumerable<string>)[]
        {
            ("tensor", tensors?.Where(name => !readTensors.Contains(name) && !IsMissing(name)) ?? []),
            ("option", options?.Unread ?? []),
            ("property", records.SelectMany(record => record.Unread)),
            ("file", Directory.Exists(Path) ? FilesUnread() : []),
        })
        {
            var unread = names.ToList();
            if (unread.Count > 0)
                yield return $"unread {what} {string.Join(", ", unread.Take(12))}{(unread.Count > 12 ? $" and {unread.Count - 12} more" : string.Empty)}";
        }
        foreach (var fault in inner.SelectMany(child => child.Unread().Select(fault => $"{System.IO.Path.GetFileName(child.Path)}: {fault}")))
            yield return fault;
    }

    private IEnumerable<string> FilesUnread() =>
        from file in Directory.EnumerateFiles(Path, "*", SearchOption.AllDirectories)
        let full = System.IO.Path.GetFullPath(file)
        where !readFiles.Any(read => full == read || full.StartsWith(read.TrimEnd(System.IO.Path.DirectorySeparatorChar) + System.IO.Path.DirectorySeparatorChar, StringComparison.Ordinal))
        select System.IO.Path.GetRelativePath(Path, file);

    private SafetensorsReader Open()
    {
        if (!Path.EndsWith(".safetensors", StringComparison.Ordinal))
            throw new InvalidOperationException($"{Path} is not a safetensors file, which the check of kind {Kind} needs; a folder's files are reached by Inside, JSON by Records.");
        var opened = new SafetensorsReader(Path);
        tensors = [.. opened.Entries.Select(entry => entry.Name)];
        options = new GoldenOptions($"{System.IO.Path.GetFileName(Path)} (kind {Kind})", opened.Metadata);
        return opened;
    }
}
