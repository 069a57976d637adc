using System.IO.Compression;
using System.Text;

namespace LmKit.Fuzz;

/// <summary>Changes inside zip archives (.pt, .npz) and gzip streams, which are packed again afterwards.</summary>
internal static class ArchiveMutations
{
    // Instructions of pickles, and the beginnings of some with lengths.
    private static readonly byte[][] Instructions =
    [
        "N"u8.ToArray(), ")"u8.ToArray(), "]"u8.ToArray(), "}"u8.ToArray(), "("u8.ToArray(), "t"u8.ToArray(), "l"u8.ToArray(), "d"u8.ToArray(), "u"u8.ToArray(), "s"u8.ToArray(), "e"u8.ToArray(), "a"u8.ToArray(), "R"u8.ToArray(), "Q"u8.ToArray(),
        "0"u8.ToArray(), "1"u8.ToArray(), "2"u8.ToArray(), "b"u8.ToArray(), "."u8.ToArray(), "h\0"u8.ToArray(), "q\0"u8.ToArray(), "K\x01"u8.ToArray(), [(byte)'M', 0xFF, 0xFF], [(byte)'J', 0xFF, 0xFF, 0xFF, 0x7F], [(byte)'J', 0xFF, 0xFF, 0xFF, 0xFF],
        [0x8A, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], [0x8A, 0xFF], [0x88], [0x89], [0x85], [0x86], [0x87], [0x93], [0x94], [0x8F], [0x80, 4], "X\x02\0\0\0ab"u8.ToArray(), [(byte)'X', 0xFF, 0xFF, 0xFF, 0x7F],
        "cbuiltins\neval\n"u8.ToArray(), "ccollections\nOrderedDict\n"u8.ToArray(), "ctorch._utils\n_rebuild_tensor_v2\n"u8.ToArray(), "ctorch\nFloatStorage\n"u8.ToArray(), "G\x7F\xF8\0\0\0\0\0\0"u8.ToArray(), "I99\n"u8.ToArray(), "V\\ud800\n"u8.ToArray(),
    ];

    internal static byte[] Zip(FuzzRandom random, byte[] data, IReadOnlyList<byte[]> others)
    {
        List<(string Name, byte[] Bytes)> members;
        try
        {
            members = Members(data);
        }
        catch (Exception error) when (error is InvalidDataException or IOException or NotSupportedException)
        {
            return ByteMutations.Apply(random, data, others);
        }
        if (members.Count == 0)
            return ByteMutations.Apply(random, data, others);
        var place = random.Below(members.Count);
        var (name, bytes) = members[place];
        switch (random.Below(9))
        {
            case 0:
                members[place] = (random.Pick(["x", "../" + name, "/" + name, name + "x", members[random.Below(members.Count)].Name]), bytes);
                break;
            case 1:
                members.RemoveAt(place);
                break;
            case 2:
                members.Add((random.Chance(0.5) ? name : name + "2", bytes));
                break;
            default:
                members[place] = (name, Inside(random, name, bytes, others));
                break;
        }
        return Pack(members, random.Chance(0.25) ? CompressionLevel.Fastest : CompressionLevel.NoCompression);
    }

    internal static byte[] GZip(FuzzRandom random, byte[] data, Func<byte[], byte[]> inside)
    {
        byte[] plain;
        try
        {
            using var stream = new GZipStream(new MemoryStream(data), CompressionMode.Decompress);
            using var copy = new MemoryStream();
            stream.CopyTo(copy);
            plain = copy.ToArray();
        }
        catch (Exception error) when (error is InvalidDataException or IOException)
        {
            return ByteMutations.Apply(random, data, []);
        }
        return random.Below(6) switch
        {
            0 => [.. data, .. data],
            1 => [.. data, .. ByteMutations.Noise(random, 5)],
            2 => data[..^Math.Min(data.Length, 1 + random.Below(12))],
            _ => Packed(inside(plain)),
        };
    }

    internal static byte[] Packed(byte[] plain)
    {
        using var packed = new MemoryStream();
        using (var stream = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            stream.Write(plain);
        return packed.ToArray();
    }

    internal static byte[] Pack(IEnumerable<(string Name, byte[] Bytes)> members, CompressionLevel level)
    {
        using var packed = new MemoryStream();
        using (var archive = new ZipArchive(packed, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, bytes) in members)
            {
                var entry = archive.CreateEntry(name.Length > 0 ? name : "-", level); // a splice may take a name away; .NET writes none
                entry.LastWriteTime = new DateTimeOffset(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);
                using var stream = entry.Open();
                stream.Write(bytes);
            }
        }
        return packed.ToArray();
    }

    private static List<(string Name, byte[] Bytes)> Members(byte[] data)
    {
        using var archive = new ZipArchive(new MemoryStream(data), ZipArchiveMode.Read);
        var members = new List<(string, byte[])>();
        foreach (var entry in archive.Entries.Where(entry => entry.Length < 1 << 20))
        {
            using var stream = entry.Open();
            using var copy = new MemoryStream();
            stream.CopyTo(copy);
            members.Add((entry.FullName, copy.ToArray()));
        }
        return members;
    }

    private static byte[] Inside(FuzzRandom random, string name, byte[] bytes, IReadOnlyList<byte[]> others)
    {
        if (bytes.Length == 0)
            return ByteMutations.Noise(random, 4);
        if (name.EndsWith(".pkl", StringComparison.Ordinal) && random.Chance(0.6))
            return ByteMutations.Inserted(bytes, random.Below(bytes.Length + 1), random.Pick(Instructions));
        if (name.EndsWith(".npy", StringComparison.Ordinal) && random.Chance(0.6))
            return Array(random, bytes, others);
        return ByteMutations.Apply(random, bytes, others);
    }

    // The header of an array is a Python dictionary in Latin-1 behind ten bytes.
    private static byte[] Array(FuzzRandom random, byte[] bytes, IReadOnlyList<byte[]> others)
    {
        var end = Math.Min(bytes.Length, 10 + (bytes.Length > 9 ? bytes[8] | (bytes[9] << 8) : 0));
        var header = Encoding.Latin1.GetString(bytes.AsSpan(Math.Min(10, end)..end));
        var changed = random.Below(6) switch
        {
            0 => header.Replace("f4", random.Pick(["f8", "f2", "i8", "i4", "u1", "O", "f3", "c8"]), StringComparison.Ordinal),
            1 => header.Replace("False", "True", StringComparison.Ordinal),
            2 => header.Replace("(", random.Pick(["(0,", "(-1,", "(99999999999,", "(1,", "(9223372036854775807,", "(("]), StringComparison.Ordinal),
            3 => header.Replace(",)", random.Pick([")", ",0)", ",-5)"]), StringComparison.Ordinal),
            4 => header.Replace("'shape'", random.Pick(["'shap'", "shape", "'shape' "]), StringComparison.Ordinal),
            _ => Encoding.Latin1.GetString(ByteMutations.Apply(random, Encoding.Latin1.GetBytes(header), others)),
        };
        var length = random.Chance(0.8) ? changed.Length : end - 10;
        return [.. bytes[..Math.Min(8, bytes.Length)], (byte)length, (byte)(length >> 8), .. Encoding.Latin1.GetBytes(changed), .. bytes[end..]];
    }
}
