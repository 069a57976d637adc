using System.IO.Compression;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The raw storages beside a pickle, and the tensors that view them.</summary>
internal sealed class PickleStorages(string path, ZipArchive archive, string folder)
{
    private static readonly Dictionary<string, ScalarType> _types = new()
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

    private readonly Dictionary<string, Tensor> loaded = [];

    internal static bool Knows(string storage) => _types.ContainsKey(storage);

    internal static byte[] Bytes(ZipArchiveEntry entry)
    {
        var bytes = new byte[entry.Length];
        using var stream = entry.Open();
        stream.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>The storage of a persistent id: ("storage", type, key, place, count).</summary>
    internal Tensor Load(object?[] id)
    {
        if (id is not ["storage", PickleGlobal global, string key, string, long count])
            throw new PickleException(path, "a storage is described in a way that PyTorch does not write");
        if (loaded.TryGetValue(key, out var known))
            return known;
        var type = _types[global.Name];
        var entry = archive.GetEntry($"{folder}data/{key}") ?? throw new PickleException(path, $"storage '{key}' is missing");
        if (count < 0 || entry.Length != checked(count * SafetensorsTypes.Size(type)) || entry.CompressedLength != entry.Length)
            throw new PickleException(path, $"storage '{key}' has {entry.Length} bytes ({entry.CompressedLength} packed); {count} values of {type} are claimed and must lie unpacked");
        var storage = empty([count], type);
        using var stream = entry.Open();
        TensorBytes.Visit(storage, (_, bytes) => stream.ReadExactly(bytes));
        return loaded[key] = storage;
    }

    /// <summary>A tensor over a storage, copied out of it.</summary>
    internal Tensor View(Tensor storage, long offset, long[] shape, long[] strides)
    {
        var isEmpty = shape.Contains(0);
        var last = offset + shape.Zip(strides).Sum(axis => checked((axis.First - 1) * axis.Second));
        if (offset < 0 || shape.Length != strides.Length || shape.Any(size => size < 0) || strides.Any(stride => stride < 0) || (!isEmpty && last >= storage.numel()))
            throw new PickleException(path, $"a tensor ({string.Join(", ", shape)}) reaches outside its storage of {storage.numel()} values");
        // A stride of 0 could claim far more values than the file has.
        if (!isEmpty && shape.Aggregate(1L, (product, size) => checked(product * size)) > storage.numel())
            throw new PickleException(path, $"a tensor ({string.Join(", ", shape)}) has more values than its storage ({storage.numel()})");
        return isEmpty ? empty(shape, storage.dtype) : storage.as_strided(shape, strides, offset).clone();
    }
}
