using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Writes activations into shards on disk; a run that was killed goes on at the last whole shard.</summary>
/// <remarks>Single-threaded. Shards are written beside and renamed, then those of one Append entered in the manifest together: rows are in
/// the store once each or not at all, and rows of an Append that failed, on a full disk say, can be appended again. After opening, go on
/// with the row numbered <see cref="StoredCount"/>.</remarks>
public sealed class ActivationStoreWriter : IDisposable
{
    private readonly string folder;
    private readonly FileStream owner;
    private readonly List<Dictionary<string, Tensor>> waiting = [];
    private ActivationManifest manifest;
    private long waitingCount;

    /// <summary>Opens a store to write or to go on with.</summary>
    /// <exception cref="ActivationStoreException">The folder holds another store's rows, another writer has it open, or nothing can be written there.</exception>
    public ActivationStoreWriter(string folder, ActivationStoreInfo info)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentNullException.ThrowIfNull(info);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(info.ModelDim, nameof(info.ModelDim));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(info.ShardRows, nameof(info.ShardRows));
        this.folder = folder;
        try
        {
            Directory.CreateDirectory(folder);
            owner = new FileStream(Path.Combine(folder, "writer.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException error) when (InputFile.IsHeldElsewhere(error))
        {
            throw new ActivationStoreException(folder, "another writer has it open", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ActivationStoreException(folder, $"nothing can be written there: {error.Message}", error);
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

    /// <summary>Adds rows to a store that keeps no tokens.</summary>
    /// <param name="activations">Rows (N, D); copied.</param>
    /// <exception cref="ArgumentException">The width is wrong, or a row is not finite or too large for the precision.</exception>
    public void Append(Tensor activations)
    {
        using var scope = NewDisposeScope();
        using var rows = new ActivationRows(AutoencoderInput.Flat(activations));
        Append(rows);
    }

    /// <summary>Adds rows, with their tokens where the store keeps them.</summary>
    /// <param name="rows">The rows; copied.</param>
    /// <exception cref="ArgumentException">The width is wrong, a row is not finite or too large for the precision, or tokens are missing.</exception>
    public void Append(ActivationRows rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        AutoencoderInput.Check(rows.Values, manifest.Info.ModelDim, nameof(ActivationStoreWriter));
        using var scope = NewDisposeScope();
        var columns = Columns(rows);
        var (name, odd) = columns.Select(column => (column.Key, column.Value.size(0))).FirstOrDefault(column => column.Item2 != rows.Values.size(0));
        if (name is not null)
            throw new ArgumentException($"'{name}' has {odd} entries for {rows.Values.size(0)} rows.", nameof(rows));
        var count = rows.Values.size(0);
        var added = columns.ToDictionary(column => column.Key, column => column.Value.cpu());
        if (waitingCount + count >= manifest.Info.ShardRows)
            WriteShards([.. waiting, added], waitingCount + count, completes: false);
        else
            Keep(added, waitingCount + count);
    }

    /// <summary>Writes the rows that do not fill a shard as a last, shorter one.</summary>
    public void Complete()
    {
        if (waitingCount > 0)
            WriteShards(waiting, waitingCount, completes: true);
    }

    /// <summary>Closes the store; rows that fill no shard are dropped unless <see cref="Complete"/> was called.</summary>
    public void Dispose()
    {
        owner.Dispose();
        Clear();
    }

    private Dictionary<string, Tensor> Columns(ActivationRows rows)
    {
        var values = rows.Values.detach();
        if (manifest.Info.Precision == ActivationPrecision.Half && values.numel() > 0 && values.abs().max().to(ScalarType.Float64).item<double>() > 65_504)
            throw new ArgumentException("A value exceeds 65504, the largest of half precision; keep this store in BrainHalf or Full.", nameof(rows));
        var columns = new Dictionary<string, Tensor>
        {
            ["acts"] = values.to(manifest.Info.Precision switch
            {
                ActivationPrecision.Half => ScalarType.Float16,
                ActivationPrecision.BrainHalf => ScalarType.BFloat16,
                _ => values.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32,
            }),
        };
        if (!manifest.Info.HasTokens)
            return columns;
        Tensor Needed(Tensor? column) => column?.to(ScalarType.Int32) ?? throw new ArgumentException("The store keeps tokens, sequences and positions; the rows lack some.", nameof(rows));
        columns["tokens"] = Needed(rows.Tokens);
        columns["seq"] = Needed(rows.Sequences);
        columns["pos"] = Needed(rows.Positions);
        return columns;
    }

    // What waits changes only after the manifest: an error before leaves everything as it was.
    private void WriteShards(List<Dictionary<string, Tensor>> parts, long count, bool completes)
    {
        using var scope = NewDisposeScope();
        var all = parts[0].Keys.ToDictionary(name => name, name => cat([.. parts.Select(part => part[name])], 0));
        Dictionary<string, Tensor> Slice(long start, long length) => all.ToDictionary(column => column.Key, column => column.Value.narrow(0, start, length));
        List<ActivationShard> shards = [.. manifest.Shards];
        var written = 0L;
        while (count - written >= manifest.Info.ShardRows || (completes && written < count))
        {
            var rows = Math.Min(manifest.Info.ShardRows, count - written);
            var file = $"shard-{shards.Count:D6}.safetensors";
            var path = Path.Combine(folder, file);
            SafetensorsWriter.Save(path, Slice(written, rows));
            shards.Add(new ActivationShard(file, rows, ActivationManifest.Checksum(path)));
            written += rows;
        }
        var next = manifest with { Shards = shards };
        next.Write(folder);
        manifest = next;
        Clear();
        waitingCount = 0;
        if (written < count)
            Keep(Slice(written, count - written), count - written);
    }

    private void Keep(Dictionary<string, Tensor> rows, long count)
    {
        waiting.Add(rows.ToDictionary(column => column.Key, column => column.Value.clone().DetachFromDisposeScope()));
        waitingCount = count;
    }

    private void Clear()
    {
        foreach (var column in waiting.SelectMany(part => part.Values))
            column.Dispose();
        waiting.Clear();
    }
}
