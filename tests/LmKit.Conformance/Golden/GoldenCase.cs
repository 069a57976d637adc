using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>One golden file (or sub-folder) with the kind that its name was found to have.</summary>
/// <param name="path">The file or folder.</param>
/// <param name="kind">The known prefix of its name.</param>
/// <remarks>Tensors that it reads belong to the dispose scope that is open when they are read.</remarks>
public sealed class GoldenCase(string path, string kind) : IDisposable
{
    private SafetensorsReader? reader;

    /// <summary>The file or folder.</summary>
    public string Path { get; } = path;

    /// <summary>The known prefix of its name.</summary>
    public string Kind { get; } = kind;

    /// <summary>Its name without extension.</summary>
    public string Name { get; } = System.IO.Path.GetFileNameWithoutExtension(path);

    /// <summary>Whether any of its content was read.</summary>
    public bool WasRead { get; private set; }

    /// <summary>The file's free text pairs.</summary>
    public IReadOnlyDictionary<string, string> Metadata => Reader.Metadata;

    private SafetensorsReader Reader
    {
        get
        {
            WasRead = true;
            return reader ??= Open();
        }
    }

    /// <summary>Names of tensors that start with a prefix, in the file's order; all by default.</summary>
    public IReadOnlyList<string> Names(string prefix = "") =>
        [.. Reader.Entries.Select(entry => entry.Name).Where(name => name.StartsWith(prefix, StringComparison.Ordinal))];

    /// <summary>The distinct parts of names before a separator, in the file's order: the cases of a file that holds several.</summary>
    public IReadOnlyList<string> Groups(char separator) =>
        [.. Names().Where(name => name.Contains(separator)).Select(name => name[..name.IndexOf(separator)]).Distinct()];

    /// <summary>Whether there is a tensor of that name.</summary>
    public bool Has(string name) => Reader.Entries.Any(entry => entry.Name == name);

    /// <summary>Reads a tensor.</summary>
    public Tensor Tensor(string name) => Reader.Read(name);

    /// <summary>Reads the complex tensor stored as <c>name.re</c> and <c>name.im</c>.</summary>
    public Tensor Complex(string name) => complex(Tensor($"{name}.re"), Tensor($"{name}.im"));

    /// <summary>Reads a one-entry tensor as a number.</summary>
    public double Number(string name)
    {
        using var tensor = Tensor(name);
        using var wide = tensor.to(ScalarType.Float64);
        return wide.item<double>();
    }

    /// <summary>Reads a JSON file.</summary>
    public JsonElement Json()
    {
        WasRead = true;
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path));
        return document.RootElement.Clone();
    }

    /// <summary>Opens a file or folder inside a folder case; the caller disposes it.</summary>
    public GoldenCase Inside(string relative)
    {
        WasRead = true;
        return new GoldenCase(System.IO.Path.Combine(Path, relative), Kind);
    }

    /// <summary>Path of a file inside a folder case.</summary>
    public string PathOf(string relative)
    {
        WasRead = true;
        return System.IO.Path.Combine(Path, relative);
    }

    /// <inheritdoc/>
    public void Dispose() => reader?.Dispose();

    private SafetensorsReader Open() => Path.EndsWith(".safetensors", StringComparison.Ordinal)
        ? new SafetensorsReader(Path)
        : throw new InvalidOperationException($"{Path} is not a safetensors file; a folder's files are reached by Inside, JSON by Json.");
}
