using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Reads a store of activations in a shuffled order that a seed and a position determine.</summary>
/// <remarks>An epoch serves every row once: shards in random order, rows of a shard in random order. Single-threaded.</remarks>
public sealed class ActivationStore : IDisposable
{
    private readonly string folder;
    private readonly long seed;
    private (long Epoch, int Place, Dictionary<string, Tensor> Columns)? open;

    /// <summary>Opens a store.</summary>
    /// <param name="folder">Its folder.</param>
    /// <param name="seed">Seed of the order.</param>
    /// <exception cref="ActivationStoreException">There is no store, or it has no rows.</exception>
    public ActivationStore(string folder, long seed = 0)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        this.folder = folder;
        this.seed = seed;
        Manifest = ActivationManifest.Read(folder);
        if (Manifest.RowCount == 0)
            throw new ActivationStoreException(folder, "it has no rows yet");
    }

    /// <summary>What it holds.</summary>
    public ActivationManifest Manifest { get; }

    /// <summary>The hash of the store's shards and their order, for checkpoints of what is trained on it.</summary>
    internal string Key() => ContentHash.Of([$"seed {seed}", .. Manifest.Shards.Select(shard => $"{shard.File} {shard.RowCount} {shard.Sha256}")]);

    /// <summary>Rows served so far, over all epochs; set it to go on from there.</summary>
    public long Position { get; set; }

    /// <summary>The next rows (B, D), half precision as float32; the caller disposes them. A failure leaves the position.</summary>
    /// <exception cref="ActivationStoreException">A shard is torn: its bytes do not match the manifest.</exception>
    public Tensor Next(long count)
    {
        using var rows = NextRows(count);
        return rows.Values.alias();
    }

    /// <summary>The next rows with their tokens, where the store keeps them; the caller disposes them.</summary>
    /// <inheritdoc cref="Next"/>
    public ActivationRows NextRows(long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        using var scope = NewDisposeScope();
        var parts = new List<Dictionary<string, Tensor>>();
        var reached = Position;
        while (count > 0)
        {
            var (epoch, within) = Math.DivRem(reached, Manifest.RowCount);
            var (place, start) = Locate(epoch, within);
            var columns = Load(epoch, place);
            if (parts.Count == 0)
                Shapes.CheckSize([count, columns["acts"].size(1)], nameof(count)); // the shard's own width, whatever the manifest says
            var taken = Math.Min(count, columns["acts"].size(0) - start);
            parts.Add(columns.ToDictionary(column => column.Key, column => column.Value.narrow(0, start, taken).clone())); // a shard may be closed before all parts are joined
            reached += taken;
            count -= taken;
        }
        Tensor Join(string name) => cat([.. parts.Select(part => part[name])], 0);
        var values = Join("acts");
        if (values.dtype is ScalarType.Float16 or ScalarType.BFloat16)
            values = values.to(ScalarType.Float32);
        Tensor? Column(string name) => Manifest.Info.HasTokens ? Join(name).MoveToOuterDisposeScope() : null;
        var (tokens, sequences, positions) = (Column("tokens"), Column("seq"), Column("pos"));
        Position = reached;
        return new(values.MoveToOuterDisposeScope(), tokens, sequences, positions);
    }

    /// <inheritdoc/>
    public void Dispose() => Close();

    private (int Place, long Start) Locate(long epoch, long within)
    {
        var order = Order(epoch);
        for (var place = 0; ; place++)
        {
            var count = Manifest.Shards[order[place]].RowCount;
            if (within < count)
                return (place, within);
            within -= count;
        }
    }

    private int[] Order(long epoch)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator((ulong)HashCode(epoch, -1));
        return [.. randperm(Manifest.Shards.Count, generator: random).data<long>().ToArray().Select(index => (int)index)];
    }

    private Dictionary<string, Tensor> Load(long epoch, int place)
    {
        if (open is { } current && current.Epoch == epoch && current.Place == place)
            return current.Columns;
        using var scope = NewDisposeScope();
        var index = Order(epoch)[place];
        var shard = Manifest.Shards[index];
        var path = Path.Combine(folder, shard.File);
        if (InputFile.Fault(path) is { } fault)
            throw new ActivationStoreException(path, $"the shard cannot be read: {fault}. Write it again");
        if (!string.Equals(ActivationManifest.Checksum(path), shard.Sha256, StringComparison.OrdinalIgnoreCase))
            throw new ActivationStoreException(path, "the shard is torn: its bytes do not match the manifest. Write it again");
        using var reader = new SafetensorsReader(path);
        string[] names = Manifest.Info.HasTokens ? ["acts", "tokens", "seq", "pos"] : ["acts"];
        foreach (var name in names)
            CheckShape(path, reader, name, name == "acts" ? [shard.RowCount, Manifest.Info.ModelDim] : [shard.RowCount]);
        using var random = new Generator((ulong)HashCode(epoch, index));
        var order = randperm(shard.RowCount, generator: random);
        var columns = names.ToDictionary(name => name, name => reader.Read(name).index_select(0, order).DetachFromDisposeScope());
        Close();
        open = (epoch, place, columns);
        return columns;
    }

    private static void CheckShape(string path, SafetensorsReader reader, string name, long[] wanted)
    {
        var entry = reader.Entries.FirstOrDefault(entry => entry.Name == name) ?? throw new ActivationStoreException(path, $"the shard has no tensor '{name}', which the manifest promises");
        if (!entry.Shape.SequenceEqual(wanted))
            throw new ActivationStoreException(path, $"tensor '{name}' is ({string.Join(", ", entry.Shape)}); the manifest says ({string.Join(", ", wanted)})");
        if (name == "acts" ? entry.ScalarType is not (ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64) : entry.ScalarType != ScalarType.Int32)
            throw new ActivationStoreException(path, $"tensor '{name}' holds {entry.ScalarType}; {(name == "acts" ? "floating numbers" : "Int32")} are needed");
    }

    private void Close()
    {
        foreach (var column in open?.Columns.Values ?? Enumerable.Empty<Tensor>())
            column.Dispose();
        open = null;
    }

    // A fixed mix, so that an order is the same in every process.
    private long HashCode(long epoch, long shard)
    {
        var mixed = unchecked((ulong)seed * 0x9E3779B97F4A7C15UL ^ (ulong)epoch * 0xC2B2AE3D27D4EB4FUL ^ (ulong)(shard + 2) * 0x165667B19E3779F9UL);
        return (long)(mixed >> 2);
    }
}

/// <summary>What a store of activations holds.</summary>
/// <param name="ModelId">Names the model, in the user's words.</param>
/// <param name="HookName">The point that was read.</param>
/// <param name="ModelDim">Width D.</param>
/// <param name="ShardRows">Rows of a full shard.</param>
/// <param name="Precision">How values are kept; half precision halves the disk. Rows are served as float32 either way.</param>
/// <param name="HasTokens">Whether every row carries its token, sequence and position.</param>
public sealed record ActivationStoreInfo(
    string ModelId, string HookName, long ModelDim, long ShardRows = 65_536, ActivationPrecision Precision = ActivationPrecision.Full, bool HasTokens = false);

/// <summary>How a store keeps activations on disk.</summary>
public enum ActivationPrecision
{
    /// <summary>Four bytes a value.</summary>
    Full,

    /// <summary>Two bytes, 11 significant bits, up to 65 504 in size; a larger value is refused.</summary>
    Half,

    /// <summary>Two bytes, 8 significant bits, any size.</summary>
    BrainHalf,
}

/// <summary>A store of activations is damaged or belongs to something else.</summary>
public sealed class ActivationStoreException : IOException
{
    /// <summary>Makes the exception from the file or folder and its fault.</summary>
    public ActivationStoreException(string path, string fault, Exception? innerException = null)
        : base($"{path}: {fault}", innerException) => FilePath = path;

    /// <summary>What was refused.</summary>
    public string FilePath { get; }
}
