using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Reads float and integer arrays of a NumPy <c>.npz</c> file; arrays of objects are refused.</summary>
/// <remarks>Nothing is allocated for more than the file can hold: all arrays together unpack to at most twice the file and 12 MiB.</remarks>
internal static partial class NpzReader
{
    // A plain array's header has some hundred bytes, and NumPy makes no array of more axes.
    private const int MaxHeaderLength = 1 << 12;
    private const int MaxRank = 32;
    private const long FreeLength = 12 << 20;

    internal static Dictionary<string, Tensor> Read(string path)
    {
        LibTorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        using var file = InputFile.Open(path, (problem, cause) => new InvalidDataException($"{path}: {problem}.", cause));
        try
        {
            using var archive = new ZipArchive(file, ZipArchiveMode.Read);
            ZipArchiveEntry[] arrays = [.. archive.Entries.Where(entry => entry.FullName.EndsWith(".npy", StringComparison.Ordinal))];
            var (total, most) = (arrays.Sum(entry => entry.Length), FreeLength + (2 * file.Length));
            if (total > most)
                throw new InvalidDataException($"its arrays unpack to {total} bytes; from a file of {file.Length} bytes at most {most} are read. Save it without compression");
            foreach (var entry in arrays)
            {
                if (!tensors.TryAdd(entry.FullName[..^".npy".Length], Array(entry)))
                    throw new InvalidDataException($"array '{entry.FullName}' stands twice");
            }
        }
        catch (Exception error) when (error is IOException or ArgumentException or NotSupportedException or ArithmeticException or FormatException or InvalidDataException
            or InvalidOperationException or IndexOutOfRangeException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"{path}: it is damaged or no .npz file that is read: {error.Message}", error);
        }
        foreach (var tensor in tensors.Values)
            tensor.MoveToOuterDisposeScope();
        return tensors;
    }

    private static Tensor Array(ZipArchiveEntry entry)
    {
        using var stream = entry.Open();
        var (type, shape, isFortran, headerLength) = ReadHeader(stream, entry.FullName);
        var width = SafetensorsTypes.Size(type);
        var count = (Int128)width;
        foreach (var axis in shape)
        {
            count *= axis;
            if (count > entry.Length)
                break;
        }
        var left = entry.Length - headerLength;
        if (count != left || shape.Any(axis => axis < 0))
            throw new InvalidDataException($"array '{entry.FullName}' ({string.Join(", ", shape)}) of {type} does not take the {left} bytes that it has");
        var tensor = empty(isFortran ? [.. shape.Reverse()] : shape, type);
        TensorBytes.Visit(tensor, (_, bytes) => stream.ReadExactly(bytes));
        if (stream.ReadByte() >= 0)
            throw new InvalidDataException($"array '{entry.FullName}' has more bytes than its archive says");
        return isFortran ? tensor.permute([.. Enumerable.Range(0, shape.Length).Reverse().Select(axis => (long)axis)]).contiguous() : tensor;
    }

    private static (ScalarType Type, long[] Shape, bool IsFortran, long Length) ReadHeader(Stream stream, string name)
    {
        Span<byte> start = stackalloc byte[8];
        stream.ReadExactly(start);
        if (start[0] != 0x93 || !start[1..6].SequenceEqual("NUMPY"u8))
            throw new InvalidDataException($"array '{name}' does not start as NumPy arrays do");
        Span<byte> size = stackalloc byte[start[6] == 1 ? 2 : 4];
        stream.ReadExactly(size);
        var length = start[6] == 1 ? BinaryPrimitives.ReadUInt16LittleEndian(size) : (long)BinaryPrimitives.ReadUInt32LittleEndian(size);
        if (length > MaxHeaderLength)
            throw new InvalidDataException($"array '{name}' claims a header of {length} bytes");
        var header = new byte[length];
        stream.ReadExactly(header);
        var match = Header().Match(Encoding.Latin1.GetString(header));
        var type = match.Groups["type"].Value switch
        {
            "<f4" => ScalarType.Float32,
            "<f8" => ScalarType.Float64,
            "<f2" => ScalarType.Float16,
            "<i8" => ScalarType.Int64,
            "<i4" => ScalarType.Int32,
            var other => throw new InvalidDataException($"array '{name}' has type '{other}'; only <f2, <f4, <f8, <i4 and <i8 are read"),
        };
        long[] shape = [.. match.Groups["shape"].Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(text => long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture))];
        return shape.Length <= MaxRank
            ? (type, shape, match.Groups["order"].Value == "True", start.Length + size.Length + length)
            : throw new InvalidDataException($"array '{name}' has {shape.Length} axes; at most {MaxRank} are read");
    }

    [GeneratedRegex(@"'descr':\s*'(?<type>[^']*)'.*'fortran_order':\s*(?<order>True|False).*'shape':\s*\((?<shape>[^)]*)\)", RegexOptions.NonBacktracking)]
    private static partial Regex Header();
}
