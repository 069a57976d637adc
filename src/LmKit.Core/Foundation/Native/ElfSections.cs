using System.Buffers.Binary;

namespace LmKit;

/// <summary>The sections of a 64-bit little-endian ELF image. Every offset read from the image is checked before it is used.</summary>
internal readonly ref struct ElfSections
{
    private const int FileHeaderSize = 64;
    private const int HeaderSize = 64;

    private readonly ReadOnlySpan<byte> image;
    private readonly ReadOnlySpan<byte> headers;

    /// <summary>Reads the headers.</summary>
    /// <exception cref="BadImageFormatException">The image is not a 64-bit little-endian ELF file or is cut short.</exception>
    internal ElfSections(ReadOnlySpan<byte> image)
    {
        if (image.Length < FileHeaderSize || !image.StartsWith(Magic64LittleEndian))
            throw Malformed("it has no 64-bit little-endian ELF header");
        var table = BinaryPrimitives.ReadUInt64LittleEndian(image[40..]);
        var size = BinaryPrimitives.ReadUInt16LittleEndian(image[58..]);
        Count = BinaryPrimitives.ReadUInt16LittleEndian(image[60..]);
        if (Count > 0 && size != HeaderSize)
            throw Malformed($"its section headers are {size} bytes long instead of {HeaderSize}");
        this.image = image;
        headers = Slice(image, table, (ulong)Count * HeaderSize, "the section headers");
    }

    private static ReadOnlySpan<byte> Magic64LittleEndian => [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1];

    /// <summary>How many there are.</summary>
    internal int Count { get; }

    /// <summary>sh_type.</summary>
    internal uint Type(int section) => BinaryPrimitives.ReadUInt32LittleEndian(Header(section)[4..]);

    /// <summary>sh_offset: where the section begins in the image.</summary>
    internal ulong Start(int section) => BinaryPrimitives.ReadUInt64LittleEndian(Header(section)[24..]);

    /// <summary>sh_info.</summary>
    internal uint Info(int section) => BinaryPrimitives.ReadUInt32LittleEndian(Header(section)[44..]);

    /// <summary>The bytes of a section.</summary>
    internal ReadOnlySpan<byte> Contents(int section, string what) =>
        Slice(image, Start(section), BinaryPrimitives.ReadUInt64LittleEndian(Header(section)[32..]), what);

    /// <summary>The bytes of the section that sh_link names: the strings that entries of this one refer to.</summary>
    internal ReadOnlySpan<byte> Names(int section, string what)
    {
        var link = BinaryPrimitives.ReadUInt32LittleEndian(Header(section)[40..]);
        return link < Count ? Contents((int)link, what) : throw Malformed($"section {section} names section {link} of {Count} for their strings");
    }

    /// <summary>Whether the string at an offset is the given one.</summary>
    internal static bool IsNamed(ReadOnlySpan<byte> names, uint offset, ReadOnlySpan<byte> wanted, string what)
    {
        var name = Slice(names, offset, 1, what, toEnd: true);
        return name.Length > wanted.Length && name.StartsWith(wanted) && name[wanted.Length] == 0;
    }

    /// <summary>Part of some bytes.</summary>
    /// <exception cref="BadImageFormatException">They do not reach that far.</exception>
    internal static ReadOnlySpan<byte> Slice(ReadOnlySpan<byte> whole, ulong start, ulong length, string what, bool toEnd = false)
    {
        if (start > (ulong)whole.Length || length > (ulong)whole.Length - start)
            throw Malformed($"{what} would lie at byte {start} to {start}+{length} of {whole.Length}");
        return toEnd ? whole[(int)start..] : whole.Slice((int)start, (int)length);
    }

    private ReadOnlySpan<byte> Header(int section) => headers.Slice(section * HeaderSize, HeaderSize);

    private static BadImageFormatException Malformed(string fault) =>
        new($"The native library cannot be read as an ELF file: {fault}. Restore the TorchSharp package again.");
}
