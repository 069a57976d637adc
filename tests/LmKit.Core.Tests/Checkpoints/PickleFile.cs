using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace LmKit.Core.Tests;

/// <summary>Writes PyTorch files instruction by instruction, sound ones and hostile ones.</summary>
internal static class PickleFile
{
    internal static byte[] Join(params byte[][] parts) => [.. parts.SelectMany(part => part)];

    internal static byte[] Raw(string instructions) => Encoding.Latin1.GetBytes(instructions);

    internal static byte[] Text(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return [(byte)'X', .. Number32(bytes.Length), .. bytes];
    }

    internal static byte[] Number(long number)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        return [0x8A, 8, .. bytes];
    }

    internal static byte[] Storage(string key = "0", long count = 8, string type = "FloatStorage") =>
        Join(Raw("("), Text("storage"), Raw($"ctorch\n{type}\n"), Text(key), Text("cpu"), Number(count), Raw("tQ"));

    internal static byte[] Tensor(byte[] storage, long[] shape, long[] strides, long offset = 0) =>
        Join(Raw("ctorch._utils\n_rebuild_tensor_v2\n("), storage, Number(offset), Tuple(shape), Tuple(strides), Raw("\u0089)tR"));

    /// <summary>A dictionary of one entry 'x'.</summary>
    internal static byte[] Of(byte[] value) => Join(Raw("\u0080\u0002}"), Text("x"), value, Raw("s."));

    /// <summary>Writes the file with a storage '0' of the numbers 0, 1, ... in float32.</summary>
    internal static void Write(string path, byte[] instructions, int count = 8, bool packs = false, string? byteOrder = null)
    {
        using var archive = new ZipArchive(File.Create(path), ZipArchiveMode.Create);
        Add(archive, "a/data.pkl", instructions, packs ? CompressionLevel.Optimal : CompressionLevel.NoCompression);
        if (byteOrder is not null)
            Add(archive, "a/byteorder", Raw(byteOrder), CompressionLevel.NoCompression);
        Add(archive, "a/data/0", [.. Enumerable.Range(0, count).SelectMany(number => BitConverter.GetBytes((float)number))], CompressionLevel.NoCompression);
    }

    private static void Add(ZipArchive archive, string name, byte[] bytes, CompressionLevel level)
    {
        using var stream = archive.CreateEntry(name, level).Open();
        stream.Write(bytes);
    }

    private static byte[] Number32(int number)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        return bytes;
    }

    private static byte[] Tuple(long[] numbers) => Join([Raw("("), .. numbers.Select(Number), Raw("t")]);
}
