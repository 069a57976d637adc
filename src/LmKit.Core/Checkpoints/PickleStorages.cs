using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The raw storages beside a pickle, and the tensors that view them.</summary>
internal sealed class PickleStorages
{
    private const int MaxAxes = 64;

    private static readonly Dictionary<string, ScalarType> types = new()
    {
        ["DoubleStorage"] = ScalarType.Float64,
        ["FloatStorage"] = ScalarType.Float32,
        ["HalfStorage"] = ScalarType.Float16,
        ["BFloat16Storage"] = ScalarType.BFloat16,
        ["LongStorage"] = ScalarType.Int64,
        ["IntStorage"] = ScalarType.Int32,
        ["ShortStorage"] = ScalarType.Int16,
        ["CharStorage"] = ScalarType.Int8,
        ["ByteStorage"] = ScalarType.Byte,
        ["BoolStorage"] = ScalarType.Bool,
    };

    private readonly string path;
    private readonly ZipArchive archive;
    private readonly string folder;
    private readonly PickleBudget budget;
    private readonly FileStream file;
    private readonly MappedFile? mapped;
    private readonly Dictionary<string, PickleStorage> loaded = new(StringComparer.Ordinal);
    private long loadedLength;

    internal PickleStorages(string path, ZipArchive archive, string folder, FileStream file, MappedFile? mapped, PickleBudget budget)
    {
        (this.path, this.archive, this.folder, this.file, this.mapped, this.budget) = (path, archive, folder, file, mapped, budget);
        if (archive.GetEntry($"{folder}byteorder") is { } order && (order.Length > 16 || Encoding.ASCII.GetString(Bytes(order)).Trim() != "little"))
            throw new PickleException(path, "its numbers are not in little-endian order; save it again on an ordinary machine");
    }

    internal static bool Knows(string storage) => types.ContainsKey(storage);

    internal static byte[] Bytes(ZipArchiveEntry entry)
    {
        var bytes = new byte[entry.Length];
        using var stream = entry.Open();
        stream.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>The storage of a persistent id: ("storage", type, key, place, count).</summary>
    internal PickleStorage Load(object?[] id)
    {
        if (id is not ["storage", PickleGlobal { Module: "torch" } global, string key, string, long count] || !types.TryGetValue(global.Name, out var type))
            throw new PickleException(path, "a storage is described in a way that PyTorch does not write");
        if (loaded.TryGetValue(key, out var known))
        {
            return known.Values.dtype == type && known.Values.numel() == count
                ? known
                : throw new PickleException(path, $"storage '{Shown(key)}' is claimed twice, as {known.Values.numel()} values of {known.Values.dtype} and as {count} of {type}");
        }
        var entry = archive.GetEntry($"{folder}data/{key}") ?? throw new PickleException(path, $"storage '{Shown(key)}' is missing");
        if (count < 0 || entry.Length != checked(count * SafetensorsTypes.Size(type)) || entry.CompressedLength != entry.Length)
            throw new PickleException(path, $"storage '{Shown(key)}' has {entry.Length} bytes ({entry.CompressedLength} packed); {count} values of {type} are claimed and must lie unpacked");
        loadedLength += entry.Length;
        if (loadedLength > file.Length)
            throw new PickleException(path, $"its storages up to '{Shown(key)}' have {loadedLength} bytes, the file {file.Length}; some lie in one another");
        budget.Charge(PickleBudget.Tensor + (2 * key.Length));
        return loaded[key] = new(mapped is null ? Copied(entry, key, count, type) : InPlace(entry, key, count, type));
    }

    private Tensor Copied(ZipArchiveEntry entry, string key, long count, ScalarType type)
    {
        var values = empty([count], type);
        using var stream = entry.Open();
        TensorBytes.Visit(values, (_, bytes) =>
        {
            stream.ReadExactly(bytes);
            if (type == ScalarType.Bool && bytes.ContainsAnyExceptInRange((byte)0, (byte)1))
                throw new PickleException(path, $"storage '{Shown(key)}' holds truth values that are neither 0 nor 1");
        });
        return values;
    }

    // The archive's reader goes to where an unpacked entry's bytes lie; the bytes found there are compared with those that it reads.
    private unsafe Tensor InPlace(ZipArchiveEntry entry, string key, long count, ScalarType type)
    {
        if (count == 0)
            return empty([0], type);
        using var stream = entry.Open();
        var first = stream.ReadByte();
        var start = file.Position - 1;
        Span<byte> more = stackalloc byte[(int)Math.Min(entry.Length - 1, 63)];
        stream.ReadExactly(more);
        if (start < 0 || start > mapped!.Length - entry.Length || mapped.Start[start] != first || !more.SequenceEqual(new ReadOnlySpan<byte>(mapped.Start + start + 1, more.Length)))
            throw new PickleException(path, $"storage '{Shown(key)}' does not lie where the archive says");
        return TensorAddress.View((nint)(mapped.Start + start), type, [count]);
    }

    /// <summary>A tensor over a storage, in the storage's own memory.</summary>
    internal Tensor View(PickleStorage storage, long offset, object?[] sizes, object?[] steps)
    {
        if (sizes.Length > MaxAxes || sizes.Length != steps.Length || !sizes.All(size => size is >= 0L) || !steps.All(step => step is >= 0L) || offset < 0)
            throw new PickleException(path, $"a tensor has {sizes.Length} sizes, {steps.Length} strides and offset {offset}; equally many whole numbers from 0 on are needed, of at most {MaxAxes} axes");
        var (shape, strides, count) = (sizes.Cast<long>().ToArray(), steps.Cast<long>().ToArray(), storage.Values.numel());
        budget.Charge(PickleBudget.Tensor);
        if (shape.Contains(0))
            return empty(shape, storage.Values.dtype);
        var last = (Int128)offset;
        var all = (Int128)1;
        for (var axis = 0; axis < shape.Length && all <= count; axis++)
        {
            last += (Int128)(shape[axis] - 1) * strides[axis];
            all *= shape[axis];
        }
        if (last >= count && all <= count)
            throw new PickleException(path, $"a tensor ({string.Join(", ", shape)}) reaches outside its storage of {count} values");
        // A stride of 0 could claim far more values than the file has.
        if (all > count)
            throw new PickleException(path, $"a tensor ({string.Join(", ", shape)}) has more values than its storage ({count})");
        return storage.Values.as_strided(shape, strides, offset);
    }

    private static string Shown(string key) => SafetensorsException.Shown(key);
}

/// <summary>Counts the entries of a zip archive without making anything of them.</summary>
internal static class ZipDirectory
{
    private const int EndLength = 22;
    private const int MaxComment = 0xFFFF;
    private const int HeaderLength = 46;
    private const int LocatorLength = 20;
    private const int LargeEndLength = 56;

    /// <summary>Whether an archive has at most so many entries; an archive that cannot be read is left to its reader.</summary>
    internal static bool HasAtMost(FileStream file, int most)
    {
        if (Start(file) is not { } start || start < 0 || start > file.Length)
            return true;
        file.Position = start;
        Span<byte> header = stackalloc byte[HeaderLength];
        for (var count = 0; file.ReadAtLeast(header, HeaderLength, throwOnEndOfStream: false) == HeaderLength && header[..4].SequenceEqual("PK\u0001\u0002"u8); count++)
        {
            if (count == most)
                return false;
            // The lengths of name, extra field and comment, which follow.
            file.Position += Short(header, 28) + Short(header, 30) + Short(header, 32);
        }
        return true;
    }

    // Where the directory starts, told at the archive's end; in large archives another record says it.
    private static long? Start(FileStream file)
    {
        var tail = new byte[(int)Math.Min(file.Length, EndLength + MaxComment)];
        file.Position = file.Length - tail.Length;
        file.ReadExactly(tail);
        var end = tail.AsSpan().LastIndexOf("PK\u0005\u0006"u8);
        if (end < 0 || tail.Length - end < EndLength)
            return null;
        var start = BinaryPrimitives.ReadUInt32LittleEndian(tail.AsSpan(end + 16));
        if (start != uint.MaxValue || end < LocatorLength || !tail.AsSpan(end - LocatorLength, 4).SequenceEqual("PK\u0006\u0007"u8))
            return start;
        Span<byte> record = stackalloc byte[LargeEndLength];
        var place = BinaryPrimitives.ReadInt64LittleEndian(tail.AsSpan(end - LocatorLength + 8));
        if (place < 0 || place > file.Length)
            return null;
        file.Position = place;
        return file.ReadAtLeast(record, LargeEndLength, throwOnEndOfStream: false) == LargeEndLength ? BinaryPrimitives.ReadInt64LittleEndian(record[48..]) : null;
    }

    private static int Short(ReadOnlySpan<byte> header, int at) => BinaryPrimitives.ReadUInt16LittleEndian(header[at..]);
}
