using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>The list of a store's shards; a shard counts only once it stands here.</summary>
/// <param name="Info">What the store holds.</param>
/// <param name="Shards">Its shards, in the order they were written.</param>
public sealed record ActivationManifest(ActivationStoreInfo Info, IReadOnlyList<ActivationShard> Shards)
{
    internal const string FileName = "manifest.json";

    // A shard takes some 150 bytes.
    private const int MaxBytes = 64 << 20;

    private static readonly JsonSerializerOptions json = new()
    {
        WriteIndented = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        AllowDuplicateProperties = false,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter(null, allowIntegerValues: false) },
    };

    /// <summary>Rows of all shards.</summary>
    [JsonIgnore]
    public long RowCount => Shards.Sum(shard => shard.RowCount);

    internal static bool Exists(string folder) => File.Exists(Path.Combine(folder, FileName));

    internal static ActivationManifest Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            throw new ActivationStoreException(folder, $"it has no {FileName}; an ActivationStoreWriter makes one");
        var bytes = InputFile.ReadAll(path, MaxBytes, (problem, cause) => new ActivationStoreException(path, problem, cause));
        var manifest = StrictJson.Deserialize<ActivationManifest>(bytes, json, (place, problem, cause) => new ActivationStoreException(path, $"{place}: {problem}", cause), MaxBytes);
        return manifest.Fault() is { } fault ? throw new ActivationStoreException(path, fault) : manifest;
    }

    // What no writer makes: later code trusts these numbers.
    private string? Fault()
    {
        if (Info.ModelDim < 1 || Info.ShardRows < 1)
            return $"$.Info: rows of {Info.ModelDim} numbers in shards of {Info.ShardRows} rows cannot be; both are at least 1";
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var total = 0L;
        foreach (var (index, shard) in Shards.Index())
        {
            if (shard is null)
                return $"$.Shards[{index}]: null stands where a shard belongs";
            if (!IsName(shard.File))
                return $"$.Shards[{index}].File: '{StrictJson.Shown(shard.File)}' is no name of a file in the folder";
            if (!names.Add(shard.File))
                return $"$.Shards[{index}].File: '{StrictJson.Shown(shard.File)}' stands twice";
            if (shard.RowCount < 1 || shard.RowCount > Info.ShardRows)
                return $"$.Shards[{index}].RowCount: {shard.RowCount}; a shard of this store has 1 to {Info.ShardRows} rows";
            if (total > long.MaxValue - shard.RowCount)
                return $"$.Shards[{index}].RowCount: with {shard.RowCount} there are more rows than can be counted";
            total += shard.RowCount;
        }
        return null;
    }

    private static bool IsName(string file) => file is not ("" or "." or "..") && file.IndexOfAny(['/', '\\', ':']) < 0 && !file.Any(char.IsControl);

    internal void Write(string folder) => AtomicFile.WriteText(Path.Combine(folder, FileName), JsonSerializer.Serialize(this, json));

    internal static string Checksum(string path)
    {
        using var stream = InputFile.Open(path, (problem, cause) => new ActivationStoreException(path, problem, cause));
        return Convert.ToHexString(SHA256.HashData(stream));
    }
}

/// <summary>One file of a store.</summary>
/// <param name="File">Its name in the folder.</param>
/// <param name="RowCount">Its rows.</param>
/// <param name="Sha256">The checksum of its bytes, in hexadecimal.</param>
public sealed record ActivationShard(string File, long RowCount, string Sha256);
