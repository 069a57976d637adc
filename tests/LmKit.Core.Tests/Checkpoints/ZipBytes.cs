using System.Text;

namespace LmKit.Core.Tests;

/// <summary>Writes zip archives that no zip library writes.</summary>
internal static class ZipBytes
{
    /// <summary>Writes entries as they are, and further names that all mean the last entry's bytes.</summary>
    internal static void Write(string path, (string Name, byte[] Bytes)[] entries, IEnumerable<string> more)
    {
        using var file = new BinaryWriter(File.Create(path));
        var directory = new List<(string Name, int Start, int Length)>();
        foreach (var (name, bytes) in entries)
        {
            directory.Add((name, (int)file.BaseStream.Position, bytes.Length));
            file.Write(0x04034B50);
            Common(file, name, bytes.Length);
            file.Write(Encoding.ASCII.GetBytes(name));
            file.Write(bytes);
        }
        directory.AddRange(more.Select(name => (name, directory[^1].Start, directory[^1].Length)).ToArray());
        var start = (int)file.BaseStream.Position;
        foreach (var (name, place, length) in directory)
        {
            file.Write(0x02014B50);
            file.Write((short)20);
            Common(file, name, length);
            file.Write(new byte[10]);
            file.Write(place);
            file.Write(Encoding.ASCII.GetBytes(name));
        }
        var end = (int)file.BaseStream.Position;
        file.Write(0x06054B50);
        file.Write(0);
        file.Write((ushort)directory.Count);
        file.Write((ushort)directory.Count);
        file.Write(end - start);
        file.Write(start);
        file.Write((short)0);
    }

    // Version, flags, method 0 (as they are), time, sum of check, lengths.
    private static void Common(BinaryWriter file, string name, int length)
    {
        file.Write((short)20);
        file.Write(0);
        file.Write(0);
        file.Write(0);
        file.Write(length);
        file.Write(length);
        file.Write((short)name.Length);
        file.Write((short)0);
    }
}
