using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace LmKit.Fuzz;

/// <summary>Writes pickles and PyTorch archives, of any shape one likes.</summary>
internal sealed class PickleText
{
    private readonly List<byte> code = [];

    internal PickleText() => Raw([0x80, 2]);

    internal PickleText Raw(ReadOnlySpan<byte> bytes)
    {
        code.AddRange(bytes);
        return this;
    }

    internal PickleText Raw(string bytes) => Raw(Encoding.Latin1.GetBytes(bytes));

    internal PickleText Text(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        return Raw("X").Raw(length).Raw(bytes);
    }

    internal PickleText Number(long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return Raw([0x8A, 8]).Raw(bytes);
    }

    /// <summary>A tensor of a storage of so many numbers.</summary>
    internal PickleText Tensor(string key, long count, long offset, long[] shape, long[] strides)
    {
        Raw("ctorch._utils\n_rebuild_tensor_v2\n((").Text("storage").Raw("ctorch\nFloatStorage\n").Text(key).Text("cpu").Number(count).Raw("tQ").Number(offset);
        return Tuple(shape).Tuple(strides).Raw([0x89]).Raw("ccollections\nOrderedDict\n)RtR");
    }

    /// <summary>The archive whose instructions are these, with some storages.</summary>
    internal byte[] Archive(CompressionLevel level = CompressionLevel.NoCompression, params (string Key, byte[] Bytes)[] storages) => Archive([.. code], level, storages);

    internal static byte[] Archive(byte[] instructions, CompressionLevel level, params (string Key, byte[] Bytes)[] storages) =>
        ArchiveMutations.Pack([("a/data.pkl", instructions), .. storages.Select(storage => ($"a/data/{storage.Key}", storage.Bytes)), ("a/version", "3\n"u8.ToArray())], level);

    private PickleText Tuple(long[] numbers)
    {
        Raw("(");
        foreach (var number in numbers)
            Number(number);
        return Raw("t");
    }
}
