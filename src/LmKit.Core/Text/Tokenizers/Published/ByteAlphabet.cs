using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace LmKit;

/// <summary>GPT-2's spelling of bytes as printable characters, in which byte-level vocabularies are written.</summary>
/// <remarks>
/// A byte that is a printable, non-blank Latin-1 character stands for itself; the other 68 take the characters from
/// U+0100 on, in byte order.
/// </remarks>
internal static class ByteAlphabet
{
    private static readonly char[] Characters = Build();
    private static readonly short[] Bytes = Invert(); // the byte of a character, or -1

    internal static string Spell(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        foreach (var value in bytes)
            _ = text.Append(Characters[value]);
        return text.ToString();
    }

    /// <summary>The bytes that an entry spells; false when one of its characters stands for no byte.</summary>
    internal static bool TryRead(string entry, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = new byte[entry.Length];
        for (var place = 0; place < entry.Length; place++)
        {
            if (entry[place] >= Bytes.Length || Bytes[entry[place]] < 0)
            {
                bytes = null;
                return false;
            }
            bytes[place] = (byte)Bytes[entry[place]];
        }
        return true;
    }

    private static char[] Build()
    {
        var characters = new char[256];
        var next = '\u0100';
        for (var value = 0; value < 256; value++)
        {
            var isPrintable = value is (>= '!' and <= '~') or (>= 0xa1 and <= 0xac) or (>= 0xae and <= 0xff);
            characters[value] = isPrintable ? (char)value : next++;
        }
        return characters;
    }

    private static short[] Invert()
    {
        var bytes = new short[Characters.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (short value = 0; value < 256; value++)
            bytes[Characters[value]] = value;
        return bytes;
    }
}
