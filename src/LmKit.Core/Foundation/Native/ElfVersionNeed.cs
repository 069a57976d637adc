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
    private const int EntrySize = 16;
    private const uint VersionNeedSection = 0x6ffffffe;
    private const byte WeakFlag = 0x2;

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
        var sections = new ElfSections(image);
        for (var section = 0; section < sections.Count; section++)
        {
            if (sections.Type(section) != VersionNeedSection)
                continue;
            var names = sections.Names(section, "the version names");
            var needs = sections.Contents(section, "the version needs");
            var found = FindInSection(needs, names, sections.Info(section), version);
            if (found >= 0)
                return checked((int)sections.Start(section)) + found;
        }
        return -1;
    }

    private static int FindInSection(ReadOnlySpan<byte> needs, ReadOnlySpan<byte> names, uint files, ReadOnlySpan<byte> version)
    {
        ulong file = 0;
        for (uint f = 0; f < files; f++)
        {
            var need = ElfSections.Slice(needs, file, EntrySize, "a version need");
            var versions = BinaryPrimitives.ReadUInt16LittleEndian(need[2..]);
            var entry = file + BinaryPrimitives.ReadUInt32LittleEndian(need[8..]);
            for (var v = 0; v < versions; v++)
            {
                var auxiliary = ElfSections.Slice(needs, entry, EntrySize, "a version need's entry");
                if (ElfSections.IsNamed(names, BinaryPrimitives.ReadUInt32LittleEndian(auxiliary[8..]), version, "a version's name"))
                    return (int)entry + 4;
                entry += BinaryPrimitives.ReadUInt32LittleEndian(auxiliary[12..]);
            }
            file += BinaryPrimitives.ReadUInt32LittleEndian(need[12..]);
        }
        return -1;
    }
}
