using System.Security.Cryptography;

namespace LmKit;

/// <summary>What tells a source file from another one.</summary>
/// <param name="Name">Its name without its folder.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="Sha256">SHA-256 of its first 1,048,576 bytes.</param>
public sealed record SourceFingerprint(string Name, long Length, string Sha256)
{
    private const int HashedLength = 1 << 20;

    /// <summary>The fingerprint of a file.</summary>
    public static SourceFingerprint Of(string path)
    {
        using var file = File.OpenRead(path);
        var start = new byte[Math.Min(file.Length, HashedLength)];
        file.ReadExactly(start);
        return new SourceFingerprint(Path.GetFileName(path), file.Length, Convert.ToHexStringLower(SHA256.HashData(start)));
    }
}
