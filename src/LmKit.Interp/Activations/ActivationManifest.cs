using System.Security.Cryptography;
using System.Text.Json;

namespace LmKit;

/// <summary>The list of a store's shards; a shard counts only once it stands here.</summary>
/// <param name="Info">What the store holds.</param>
/// <param name="Shards">Its shards, in the order they were written.</param>
public sealed record ActivationManifest(ActivationStoreInfo Info, IReadOnlyList<ActivationShard> Shards)
{
    internal const string FileName = "manifest.json";

    private static readonly JsonSerializerOptions _json = new() { WriteIndented = true, Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter() } };

    /// <summary>Rows of all shards.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public long RowCount => Shards.Sum(shard => shard.RowCount);

    internal static bool Exists(string folder) => File.Exists(Path.Combine(folder, FileName));

    internal static ActivationManifest Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            throw new ActivationStoreException(folder, $"it has no {FileName}; an ActivationStoreWriter makes one");
        try
        {
            var manifest = JsonSerializer.Deserialize<ActivationManifest>(File.ReadAllBytes(path), _json);
            if (manifest?.Info is null || manifest.Shards is null || manifest.Shards.Any(shard => Path.GetFileName(shard.File) != shard.File || shard.RowCount < 1))
                throw new ActivationStoreException(path, "it lacks entries, or names a shard outside the folder");
            return manifest;
        }
        catch (JsonException error)
        {
            throw new ActivationStoreException(path, $"it is damaged: {error.Message}", error);
        }
    }

    internal void Write(string folder) => AtomicFile.WriteText(Path.Combine(folder, FileName), JsonSerializer.Serialize(this, _json));

    internal static string Checksum(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexString(SHA256.HashData(stream));
    }
}
