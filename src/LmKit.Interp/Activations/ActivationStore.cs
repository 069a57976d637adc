using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Reads a store of activations in a shuffled order that a seed and a position determine.</summary>
/// <remarks>An epoch serves every row once: shards in random order, rows of a shard in random order. Single-threaded.</remarks>
public sealed class ActivationStore : IDisposable
{
    private readonly string folder;
    private readonly long seed;
    private (long Epoch, int Place, Tensor Rows)? open;

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

    /// <summary>Rows served so far, over all epochs; set it to go on from there.</summary>
    public long Position { get; set; }

    /// <summary>The next rows (B, D); the caller disposes them.</summary>
    /// <exception cref="ActivationStoreException">A shard is torn: its bytes do not match the manifest.</exception>
    public Tensor Next(long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        using var scope = NewDisposeScope();
        var parts = new List<Tensor>();
        while (count > 0)
        {
            var (epoch, within) = Math.DivRem(Position, Manifest.RowCount);
            var (place, start) = Locate(epoch, within);
            var rows = Load(epoch, place);
            var taken = Math.Min(count, rows.size(0) - start);
            parts.Add(rows.narrow(0, start, taken));
            Position += taken;
            count -= taken;
        }
        return cat(parts, 0).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose() => open?.Rows.Dispose();

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

    private Tensor Load(long epoch, int place)
    {
        if (open is { } current && current.Epoch == epoch && current.Place == place)
            return current.Rows;
        using var scope = NewDisposeScope();
        var index = Order(epoch)[place];
        var shard = Manifest.Shards[index];
        var path = Path.Combine(folder, shard.File);
        if (!File.Exists(path) || ActivationManifest.Checksum(path) != shard.Sha256)
            throw new ActivationStoreException(path, "the shard is missing or torn: its bytes do not match the manifest. Write it again");
        using var reader = new SafetensorsReader(path);
        using var random = new Generator((ulong)HashCode(epoch, index));
        var rows = reader.Read("acts").index_select(0, randperm(shard.RowCount, generator: random));
        open?.Rows.Dispose();
        open = (epoch, place, rows.DetachFromDisposeScope());
        return rows;
    }

    // A fixed mix, so that an order is the same in every process.
    private long HashCode(long epoch, long shard)
    {
        var mixed = unchecked((ulong)seed * 0x9E3779B97F4A7C15UL ^ (ulong)epoch * 0xC2B2AE3D27D4EB4FUL ^ (ulong)(shard + 2) * 0x165667B19E3779F9UL);
        return (long)(mixed >> 2);
    }
}
