using System.Buffers.Binary;
using System.Text;

namespace LmKit;

/// <summary>Finds one symbol-version need in a 64-bit little-endian ELF image and marks it weak.</summary>
/// <remarks>
/// Layouts are those of the ELF specification (file and section headers) and of the GNU extension for symbol
/// versions (Elf64_Verneed, Elf64_Vernaux). Every offset read from the image is checked before it is used.
/// </remarks>
internal static class ElfVersionNeed
{
    private const int FileHeaderSize = 64;
    private const int SectionHeaderSize = 64;
    private const int EntrySize = 16;
    private const uint VersionNeedSection = 0x6ffffffe;
    private const byte WeakFlag = 0x2;

    private static ReadOnlySpan<byte> Magic64LittleEndian => [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1];

    /// <summary>Sets the weak flag of the need called <paramref name="version"/>; false when there is no such strong need.</summary>
    /// <exception cref="BadImageFormatException">The image is not a 64-bit little-endian ELF file or is cut short.</exception>
    internal static bool MarkWeak(Span<byte> image, string version)
    {
        var flags = FindFlags(image, Encoding.ASCII.GetBytes(version));
        if (flags < 0 || (image[flags] & WeakFlag) != 0)
            return false;
        image[flags] |= WeakFlag;
        return true;
    }

    private static int FindFlags(ReadOnlySpan<byte> image, ReadOnlySpan<byte> version)
    {
        if (image.Length < FileHeaderSize || !image.StartsWith(Magic64LittleEndian))
            throw Malformed("it has no 64-bit little-endian ELF header");
        var table = BinaryPrimitives.ReadUInt64LittleEndian(image[40..]);
        var size = BinaryPrimitives.ReadUInt16LittleEndian(image[58..]);
        var count = BinaryPrimitives.ReadUInt16LittleEndian(image[60..]);
        if (count > 0 && size != SectionHeaderSize)
            throw Malformed($"its section headers are {size} bytes long instead of {SectionHeaderSize}");
        var headers = Slice(image, table, (ulong)count * SectionHeaderSize, "the section headers");
        for (var section = 0; section < count; section++)
        {
            var header = headers[(section * SectionHeaderSize)..];
            if (BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) != VersionNeedSection)
                continue;
            var link = BinaryPrimitives.ReadUInt32LittleEndian(header[40..]);
            if (link >= count)
                throw Malformed($"its version needs name section {link} of {count} for their strings");
            var names = Contents(image, headers[((int)link * SectionHeaderSize)..], "the version names");
            var needs = Contents(image, header, "the version needs");
            var files = BinaryPrimitives.ReadUInt32LittleEndian(header[44..]);
            var found = FindInSection(needs, names, files, version);
            if (found >= 0)
                return checked((int)BinaryPrimitives.ReadUInt64LittleEndian(header[24..])) + found;
        }
        return -1;
    }

    private static int FindInSection(ReadOnlySpan<byte> needs, ReadOnlySpan<byte> names, uint files, ReadOnlySpan<byte> version)
    {
        ulong file = 0;
        for (uint f = 0; f < files; f++)
        {
            var need = Slice(needs, file, EntrySize, "a version need");
            var versions = BinaryPrimitives.ReadUInt16LittleEndian(need[2..]);
            var entry = file + BinaryPrimitives.ReadUInt32LittleEndian(need[8..]);
            for (var v = 0; v < versions; v++)
            {
                var auxiliary = Slice(needs, entry, EntrySize, "a version need's entry");
                var name = Slice(names, BinaryPrimitives.ReadUInt32LittleEndian(auxiliary[8..]), 1, "a version's name", toEnd: true);
                if (name.Length > version.Length && name.StartsWith(version) && name[version.Length] == 0)
                    return (int)entry + 4;
                entry += BinaryPrimitives.ReadUInt32LittleEndian(auxiliary[12..]);
            }
            file += BinaryPrimitives.ReadUInt32LittleEndian(need[12..]);
        }
        return -1;
    }

    private static ReadOnlySpan<byte> Contents(ReadOnlySpan<byte> image, ReadOnlySpan<byte> header, string what) =>
        Slice(image, BinaryPrimitives.ReadUInt64LittleEndian(header[24..]), BinaryPrimitives.ReadUInt64LittleEndian(header[32..]), what);

    private static ReadOnlySpan<byte> Slice(ReadOnlySpan<byte> whole, ulong start, ulong length, string what, bool toEnd = false)
    {
        if (start > (ulong)whole.Length || length > (ulong)whole.Length - start)
            throw Malformed($"{what} would lie at byte {start} to {start}+{length} of {whole.Length}");
        return toEnd ? whole[(int)start..] : whole.Slice((int)start, (int)length);
    }

    private static BadImageFormatException Malformed(string fault) =>
        new($"The native library cannot be read as an ELF file: {fault}. Restore the TorchSharp package again.");
}
