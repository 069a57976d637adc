using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace LmKit;

/// <summary>SplitMix64 (Steele et al. 2014): a small generator whose numbers are the same everywhere.</summary>
/// <param name="seed">The state it starts from.</param>
public sealed class SplitMix(ulong seed)
{
    private ulong state = seed;

    /// <summary>The next 64 bits.</summary>
    public ulong Next()
    {
        unchecked
        {
            state += 0x9E3779B97F4A7C15;
            var z = state;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }

    /// <summary>A whole number in [0, bound), every one as likely.</summary>
    public ulong Below(ulong bound)
    {
        ArgumentOutOfRangeException.ThrowIfZero(bound);
        while (true)
        {
            var high = Math.BigMul(Next(), bound, out var low);
            if (low >= bound || low >= unchecked(0 - bound) % bound)
                return high;
        }
    }

    /// <summary>A number in [0, 1).</summary>
    public double NextDouble() => (Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>The order of <paramref name="count"/> items in an epoch: Fisher and Yates, from seed and epoch alone.</summary>
    public static int[] Permutation(int count, long seed, long epoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Array.MaxLength);
        var random = new SplitMix(unchecked(((ulong)seed * 0x9E3779B97F4A7C15) + ((ulong)epoch * 0xD1B54A32D192ED03) + 1));
        var order = Enumerable.Range(0, count).ToArray();
        for (var i = count - 1; i > 0; i--)
        {
            var j = (int)random.Below((ulong)i + 1);
            (order[i], order[j]) = (order[j], order[i]);
        }
        return order;
    }
}

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
