using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Writes activations into shards on disk; a run that was killed goes on at the last whole shard.</summary>
/// <remarks>Single-threaded. A shard is written beside and renamed, then entered in the manifest: rows are in the store once each or not
/// at all. After opening, go on with the row numbered <see cref="StoredCount"/>.</remarks>
public sealed class ActivationStoreWriter : IDisposable
{
    private readonly string folder;
    private readonly FileStream owner;
    private readonly List<Tensor> waiting = [];
    private ActivationManifest manifest;
    private long waitingCount;

    /// <summary>Opens a store to write or to go on with.</summary>
    /// <exception cref="ActivationStoreException">The folder holds another store's rows, or another writer has it open.</exception>
    public ActivationStoreWriter(string folder, ActivationStoreInfo info)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentNullException.ThrowIfNull(info);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(info.ModelDim, nameof(info.ModelDim));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(info.ShardRows, nameof(info.ShardRows));
        this.folder = folder;
        Directory.CreateDirectory(folder);
        try
        {
            owner = new FileStream(Path.Combine(folder, "writer.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException error)
        {
            throw new ActivationStoreException(folder, "another writer has it open", error);
        }
        try
        {
            manifest = ActivationManifest.Exists(folder) ? ActivationManifest.Read(folder) : new(info, []);
            if (manifest.Info != info)
                throw new ActivationStoreException(folder, $"it holds {manifest.Info}, not {info}");
        }
        catch
        {
            owner.Dispose();
            throw;
        }
    }

    /// <summary>Rows that are safely in the store.</summary>
    public long StoredCount => manifest.RowCount;

    /// <summary>Adds rows.</summary>
    /// <param name="activations">Rows (N, D); copied.</param>
    /// <exception cref="ArgumentException">The width is wrong or a row is not finite.</exception>
    public void Append(Tensor activations)
    {
        AutoencoderInput.Check(activations, manifest.Info.ModelDim, nameof(ActivationStoreWriter));
        using var scope = NewDisposeScope();
        waiting.Add(AutoencoderInput.Flat(activations.detach()).cpu().clone().DetachFromDisposeScope());
        waitingCount += waiting[^1].size(0);
        while (waitingCount >= manifest.Info.ShardRows)
            WriteShard(manifest.Info.ShardRows);
    }

    /// <summary>Writes the rows that do not fill a shard as a last, shorter one.</summary>
    public void Complete()
    {
        if (waitingCount > 0)
            WriteShard(waitingCount);
    }

    /// <summary>Closes the store; rows that fill no shard are dropped unless <see cref="Complete"/> was called.</summary>
    public void Dispose()
    {
        owner.Dispose();
        foreach (var rows in waiting)
            rows.Dispose();
        waiting.Clear();
    }

    private void WriteShard(long count)
    {
        using var scope = NewDisposeScope();
        var all = cat(waiting, 0);
        var name = $"shard-{manifest.Shards.Count:D6}.safetensors";
        var path = Path.Combine(folder, name);
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["acts"] = all.narrow(0, 0, count) });
        var next = manifest with { Shards = [.. manifest.Shards, new ActivationShard(name, count, ActivationManifest.Checksum(path))] };
        next.Write(folder);
        manifest = next;
        foreach (var rows in waiting)
            rows.Dispose();
        waiting.Clear();
        waitingCount -= count;
        if (waitingCount > 0)
            waiting.Add(all.narrow(0, count, waitingCount).clone().DetachFromDisposeScope());
    }
}
