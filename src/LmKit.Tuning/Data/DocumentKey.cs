using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace LmKit;

/// <summary>A number that seed and document name alone decide: sampling and seeds depend on nothing else.</summary>
public static class DocumentKey
{
    /// <summary>The first 8 bytes, little-endian, of SHA-256(seed as 8 bytes, little-endian, then the name in UTF-8).</summary>
    public static ulong Of(long seed, string id)
    {
        ArgumentNullException.ThrowIfNull(id);
        var bytes = new byte[8 + Encoding.UTF8.GetByteCount(id)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, seed);
        _ = Encoding.UTF8.GetBytes(id, bytes.AsSpan(8));
        return BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(bytes));
    }

    /// <summary>A hash of a text in which all white space counts as one blank.</summary>
    internal static UInt128 OfText(string text) =>
        BinaryPrimitives.ReadUInt128LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)))));

    /// <summary>Whether a document belongs to a sample of a share of all.</summary>
    public static bool IsSampled(long seed, string id, double share) => share >= 1 || Of(seed, id) < share * 18446744073709551616.0;
}
