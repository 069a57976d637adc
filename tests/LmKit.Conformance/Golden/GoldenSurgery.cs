using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>Makes altered copies of golden files, for the laws of what a check must not let pass.</summary>
internal static class GoldenSurgery
{
    private static readonly ScalarType[] floats = [ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16];

    /// <summary>Copies a file with changed tensors and options.</summary>
    internal static void Rewrite(string from, string to, Action<Dictionary<string, Tensor>, Dictionary<string, string>> change)
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors;
        Dictionary<string, string> options;
        using (var reader = new SafetensorsReader(from))
            (tensors, options) = (reader.ReadAll(), new Dictionary<string, string>(reader.Metadata));
        change(tensors, options);
        _ = Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        SafetensorsWriter.Save(to, tensors, options);
    }

    /// <summary>Copies a folder.</summary>
    internal static void Copy(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            _ = Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.WriteAllBytes(copy, File.ReadAllBytes(file));
        }
    }

    /// <summary>A tensor with its middle entry changed by a tenth of one more than its size; a number's neighbour or the other truth for other types.</summary>
    internal static Tensor ChangeOne(Tensor tensor)
    {
        var flat = tensor.clone().reshape(-1);
        var one = flat.narrow(0, flat.numel() / 2, 1);
        _ = one.copy_(Changed(one));
        return flat.reshape(tensor.shape);
    }

    /// <summary>A tensor whose entries have all moved by one place, which keeps values in their range; changed one by one where that is no change.</summary>
    internal static Tensor ChangeAll(Tensor tensor)
    {
        var flat = tensor.reshape(-1);
        var moved = flat.roll([1], [0]);
        return (moved.ne(flat).any().item<bool>() ? moved : Changed(flat)).reshape(tensor.shape);
    }

    private static Tensor Changed(Tensor values)
    {
        if (values.dtype == ScalarType.Bool)
            return values.logical_not();
        if (!floats.Contains(values.dtype))
            return where(values.gt(0), values - 1, values + 1);
        var finite = where(values.isfinite(), values, zeros_like(values));
        return finite + 0.1 * (1 + finite.abs());
    }
}
