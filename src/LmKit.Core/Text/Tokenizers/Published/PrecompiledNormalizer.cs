using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>SentencePiece's compiled map: a double-array trie and the texts that its leaves point to.</summary>
/// <remarks>A cluster of up to five bytes is looked up whole first, then its characters; of the entries that begin a key the shortest counts,
/// as in the published library. Format: size of the trie in bytes (u32), the trie (u32 each), texts that end in a zero byte.</remarks>
internal sealed class PrecompiledNormalizer : TextNormalizer
{
    private const int LongestCluster = 5;

    private readonly uint[] trie;
    private readonly byte[] texts;

    /// <summary>Reads the map.</summary>
    /// <exception cref="FormatException">It is broken.</exception>
    internal PrecompiledNormalizer(ReadOnlySpan<byte> blob)
    {
        if (blob.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(blob) is var size && (size == 0 || size % 4 != 0 || size > blob.Length - 4))
            throw new FormatException("precompiled_charsmap is broken: its first number is no size of a trie that fits in it");
        trie = new uint[size / 4];
        for (var unit = 0; unit < trie.Length; unit++)
            trie[unit] = BinaryPrimitives.ReadUInt32LittleEndian(blob[(4 + (4 * unit))..]);
        texts = blob[(4 + (int)size)..].ToArray();
        if (!System.Text.Unicode.Utf8.IsValid(texts))
            throw new FormatException("precompiled_charsmap is broken: its texts are no UTF-8");
    }

    internal override string Apply(string text, ref int startsAt)
    {
        var made = new StringBuilder(text.Length);
        var isChanged = false;
        for (var place = 0; place < text.Length;)
        {
            var length = Cluster(text, place);
            var cluster = text.AsSpan(place, length);
            if (length <= LongestCluster && Encoding.UTF8.GetByteCount(cluster) <= LongestCluster && Find(cluster) is { } whole)
            {
                _ = made.Append(whole);
                isChanged = true;
            }
            else
            {
                for (var at = 0; at < length;)
                {
                    _ = CodePointSet.At(cluster, at, out var width);
                    var character = cluster.Slice(at, width);
                    if (Find(character) is { } other)
                    {
                        _ = made.Append(other);
                        isChanged = true;
                    }
                    else
                    {
                        _ = made.Append(character);
                    }
                    at += width;
                }
            }
            place += length;
            CheckGrowth(made.Length, text.Length, StepGrowth);
        }
        return isChanged ? made.ToString() : text;
    }

    // Printable ASCII before printable ASCII is a cluster of its own.
    private static int Cluster(string text, int place) =>
        text[place] is >= ' ' and < '\u007f' && (place + 1 >= text.Length || text[place + 1] is >= ' ' and < '\u007f') ? 1 : StringInfo.GetNextTextElementLength(text, place);

    private string? Find(ReadOnlySpan<char> key)
    {
        Span<byte> bytes = stackalloc byte[LongestCluster];
        var length = Encoding.UTF8.GetBytes(key, bytes);
        var node = 0u ^ Offset(trie[0]);
        foreach (var value in bytes[..length])
        {
            node ^= value;
            if (value == 0 || node >= trie.Length)
                return null;
            var unit = trie[node];
            if ((unit & 0x800000ff) != value)
                return null;
            node ^= Offset(unit);
            if ((unit >> 8 & 1) == 1)
                return node < trie.Length ? Text(trie[node] & 0x7fffffff) : null;
        }
        return null;
    }

    private static uint Offset(uint unit) => unit >> 10 << (int)((unit & 0x200) >> 6);

    private string? Text(uint start)
    {
        if (start >= texts.Length)
            return null;
        var rest = texts.AsSpan((int)start);
        var end = rest.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]);
    }
}
