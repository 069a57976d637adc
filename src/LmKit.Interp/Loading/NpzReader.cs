using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Reads float and integer arrays of a NumPy <c>.npz</c> file; arrays of objects are refused.</summary>
internal static partial class NpzReader
{
    private const int MaxHeaderLength = 1 << 16;

    internal static Dictionary<string, Tensor> Read(string path)
    {
        LibTorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor>();
        try
        {
            using var archive = ZipFile.OpenRead(path);
            foreach (var entry in archive.Entries.Where(entry => entry.FullName.EndsWith(".npy", StringComparison.Ordinal)))
                tensors[entry.FullName[..^".npy".Length]] = Array(path, entry);
        }
        catch (Exception error) when (error is EndOfStreamException or OverflowException or FormatException or InvalidDataException)
        {
            throw new InvalidDataException($"{path}: it is damaged or no .npz file: {error.Message}", error);
        }
        foreach (var tensor in tensors.Values)
            tensor.MoveToOuterDisposeScope();
        return tensors;
    }

    private static Tensor Array(string path, ZipArchiveEntry entry)
    {
        using var stream = entry.Open();
        Span<byte> start = stackalloc byte[8];
        stream.ReadExactly(start);
        if (start[0] != 0x93 || !start[1..6].SequenceEqual("NUMPY"u8))
            throw new InvalidDataException($"array '{entry.FullName}' does not start as NumPy arrays do");
        Span<byte> size = stackalloc byte[start[6] == 1 ? 2 : 4];
        stream.ReadExactly(size);
        var length = start[6] == 1 ? BinaryPrimitives.ReadUInt16LittleEndian(size) : (long)BinaryPrimitives.ReadUInt32LittleEndian(size);
        if (length > MaxHeaderLength)
            throw new InvalidDataException($"array '{entry.FullName}' claims a header of {length} bytes");
        var header = new byte[length];
        stream.ReadExactly(header);
        var match = Header().Match(Encoding.Latin1.GetString(header));
        var (type, width) = match.Groups["type"].Value switch
        {
            "<f4" => (ScalarType.Float32, 4),
            "<f8" => (ScalarType.Float64, 8),
            "<f2" => (ScalarType.Float16, 2),
            "<i8" => (ScalarType.Int64, 8),
            "<i4" => (ScalarType.Int32, 4),
            var other => throw new InvalidDataException($"{path}: array '{entry.FullName}' has type '{other}'; only <f2, <f4, <f8, <i4 and <i8 are read"),
        };
        long[] shape = [.. match.Groups["shape"].Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(text => long.Parse(text, System.Globalization.CultureInfo.InvariantCulture))];
        var count = shape.Aggregate(1L, (product, axis) => checked(product * axis));
        var left = entry.Length - start.Length - size.Length - length;
        if (checked(count * width) != left)
            throw new InvalidDataException($"array '{entry.FullName}' ({string.Join(", ", shape)}) needs {count * width} bytes and has {left}");
        var isFortran = match.Groups["order"].Value == "True";
        var tensor = empty(isFortran ? [.. shape.Reverse()] : shape, type);
        var bytes = new byte[left];
        stream.ReadExactly(bytes);
        if (count > 0)
            bytes.CopyTo(tensor.bytes);
        return isFortran ? tensor.permute([.. Enumerable.Range(0, shape.Length).Reverse().Select(axis => (long)axis)]).contiguous() : tensor;
    }

    [GeneratedRegex(@"'descr':\s*'(?<type>[^']*)'.*'fortran_order':\s*(?<order>True|False).*'shape':\s*\((?<shape>[^)]*)\)")]
    private static partial Regex Header();
}
