using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>The Lambda mask by hand: a tile of 128 queries meets the starting keys and those of its window in one fused attention. The
/// masks to add are made once; tiles far enough from the start share theirs.</summary>
internal sealed class LambdaBand : IPlainAttention
{
    private const long tile = 128;

    private readonly long starts;
    private readonly List<(long First, long Count, long Near, Tensor Mask)> tiles = [];

    internal LambdaBand(long length, long window, long starts)
    {
        this.starts = starts;
        for (long first = 0; first < length; first += tile)
        {
            using var scope = NewDisposeScope();
            var (count, near) = (Math.Min(tile, length - first), Math.Max(0, first - window + 1));
            var shares = near > starts && tiles[^1].Near > starts && count == tile;
            var j = near > starts ? cat([arange(starts), arange(near, first + count)]) : arange(first + count);
            var distance = arange(first, first + count).unsqueeze(1) - j;
            var mask = shares ? tiles[^1].Mask : Additive(distance.lt(window).logical_or(j.lt(starts)).logical_and(distance.ge(0))).DetachFromDisposeScope();
            tiles.Add((first, count, near, mask));
        }
    }

    public Tensor Attend(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        var attended = tiles.Select(tile => nn.functional.scaled_dot_product_attention(q.narrow(2, tile.First, tile.Count), Seen(k, tile), Seen(v, tile), tile.Mask));
        return cat([.. attended], 2).MoveToOuterDisposeScope();
    }

    public void Dispose() => tiles.ForEach(tile => tile.Mask.Dispose());

    /// <summary>0 where a pair is seen, -infinity elsewhere.</summary>
    internal static Tensor Additive(Tensor visible) => zeros(visible.shape).masked_fill(visible.logical_not(), double.NegativeInfinity);

    private Tensor Seen(Tensor all, (long First, long Count, long Near, Tensor Mask) tile) => tile.Near > starts
        ? cat([all.narrow(2, 0, starts), all.narrow(2, tile.Near, tile.First + tile.Count - tile.Near)], 2)
        : all.narrow(2, 0, tile.First + tile.Count);
}
