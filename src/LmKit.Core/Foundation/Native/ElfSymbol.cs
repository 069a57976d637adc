using System.Buffers.Binary;
using System.Text;

namespace LmKit;

/// <summary>Lets a function that a 64-bit little-endian ELF library exports stand at an address of our own.</summary>
/// <remarks>An entry of the symbol table (Elf64_Sym) whose section is SHN_ABS gives an address as it is; no code is changed.</remarks>
internal static class ElfSymbol
{
    private const int EntrySize = 24;
    private const uint DynamicSymbols = 11;
    private const ushort Undefined = 0;
    private const ushort Absolute = 0xfff1;

    /// <summary>Makes whoever looks the function up get <paramref name="address"/>; false when the library exports no such function.</summary>
    /// <exception cref="BadImageFormatException">The image is not a 64-bit little-endian ELF file or is cut short.</exception>
    internal static bool Redirect(Span<byte> image, string name, nint address)
    {
        var entry = Find(image, Encoding.ASCII.GetBytes(name));
        if (entry < 0)
            return false;
        BinaryPrimitives.WriteUInt16LittleEndian(image[(entry + 6)..], Absolute);
        BinaryPrimitives.WriteInt64LittleEndian(image[(entry + 8)..], address);
        return true;
    }

    private static int Find(ReadOnlySpan<byte> image, ReadOnlySpan<byte> name)
    {
        var sections = new ElfSections(image);
        for (var section = 0; section < sections.Count; section++)
        {
            if (sections.Type(section) != DynamicSymbols)
                continue;
            var names = sections.Names(section, "the names of symbols");
            var symbols = sections.Contents(section, "the symbols");
            for (var at = 0; at + EntrySize <= symbols.Length; at += EntrySize)
            {
                var isDefined = BinaryPrimitives.ReadUInt16LittleEndian(symbols[(at + 6)..]) != Undefined;
                if (isDefined && ElfSections.IsNamed(names, BinaryPrimitives.ReadUInt32LittleEndian(symbols[at..]), name, "a symbol's name"))
                    return checked((int)sections.Start(section)) + at;
            }
        }
        return -1;
    }
}
