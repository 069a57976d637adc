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

    /// <summary>Whether a document belongs to a sample of a share of all.</summary>
    public static bool IsSampled(long seed, string id, double share) => share >= 1 || Of(seed, id) < share * 18446744073709551616.0;
}
