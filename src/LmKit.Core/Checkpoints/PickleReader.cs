using System.IO.Compression;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Reads the tensors of a PyTorch <c>.pt</c> file (a zip with a pickle inside) without running anything it asks for.</summary>
/// <remarks>The pickle may build tensors, numbers, texts, lists, tuples and dictionaries; any other class or function is refused by its
/// name. Storages must be uncompressed and as long as they claim.</remarks>
public static class PickleReader
{
    // The instructions alone; weights lie beside them.
    private const long MaxInstructionLength = 64L << 20;

    /// <summary>Reads the file's dictionary; nested dictionaries are joined with dots. The caller disposes the tensors.</summary>
    /// <exception cref="PickleException">The file names something else, is damaged, or its top is no dictionary.</exception>
    public static Dictionary<string, Tensor> ReadTensors(string path) => Read(path).Tensors;

    /// <summary>Reads tensors, and the numbers, texts and truth values beside them, by dotted name.</summary>
    /// <inheritdoc cref="ReadTensors"/>
    public static (Dictionary<string, Tensor> Tensors, Dictionary<string, object> Values) Read(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        LibTorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        try
        {
            using var archive = ZipFile.OpenRead(path);
            var instructions = archive.Entries.FirstOrDefault(entry => entry.FullName.EndsWith("/data.pkl", StringComparison.Ordinal))
                ?? throw new PickleException(path, "the archive has no data.pkl; older formats of PyTorch are not read. Save it again with torch.save, or as safetensors");
            if (instructions.Length > MaxInstructionLength)
                throw new PickleException(path, $"data.pkl has {instructions.Length} bytes, more than {MaxInstructionLength}");
            var storages = new PickleStorages(path, archive, instructions.FullName[..^"data.pkl".Length]);
            var top = new PickleMachine(path, PickleStorages.Bytes(instructions), storages).Run();
            if (top is not Dictionary<object, object?> dictionary)
                throw new PickleException(path, $"its top is {top?.GetType().Name ?? "nothing"}, not a dictionary of tensors");
            var (tensors, values) = (new Dictionary<string, Tensor>(), new Dictionary<string, object>());
            Flatten(path, dictionary, string.Empty, tensors, values, 0);
            foreach (var tensor in tensors.Values)
                tensor.MoveToOuterDisposeScope();
            return (tensors, values);
        }
        catch (Exception error) when (error is InvalidDataException or EndOfStreamException or InvalidCastException or ArgumentException or OverflowException or InvalidOperationException or System.Runtime.InteropServices.ExternalException)
        {
            throw new PickleException(path, $"it is damaged or no PyTorch file: {error.Message}", error);
        }
    }

    private static void Flatten(string path, Dictionary<object, object?> from, string prefix, Dictionary<string, Tensor> tensors, Dictionary<string, object> values, int depth)
    {
        if (depth > 16)
            throw new PickleException(path, "its dictionaries lie more than 16 deep, or in one another");
        foreach (var (key, value) in from)
        {
            var name = $"{prefix}{key}";
            if (value is Dictionary<object, object?> inner)
                Flatten(path, inner, $"{name}.", tensors, values, depth + 1);
            else if (value is Tensor tensor)
                tensors[name] = tensor.alias();
            else if (value is long or double or bool or string)
                values[name] = value;
        }
    }
}
