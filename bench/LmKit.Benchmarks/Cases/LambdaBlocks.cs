using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>The published way (LM-Infinite, section 4) in library operations: blocks of L queries against their own and the block before
/// them, and against the starting keys, in one softmax over G + 2 L numbers. The masks are made once.</summary>
internal sealed class LambdaBlocks : IPlainAttention
{
    private readonly long window;
    private readonly long starts;
    private readonly Tensor hiddenNear;   // (blocks, L, 2 L)
    private readonly Tensor hiddenStarts; // (blocks, L, G): starting keys are hidden here where the window shows them

    internal LambdaBlocks(long length, long window, long starts)
    {
        using var scope = NewDisposeScope();
        (this.window, this.starts) = (window, starts);
        var i = arange(length).view(-1, window, 1);
        var j = arange(length).view(-1, 1, window);
        var near = cat([j - window, j], -1);
        var distance = i - near;
        hiddenNear = distance.ge(0).logical_and(distance.lt(window)).logical_and(near.ge(0)).logical_not().DetachFromDisposeScope();
        hiddenStarts = (i - arange(starts)).lt(window).DetachFromDisposeScope();
    }

    public Tensor Attend(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        var queries = Blocks(q) / Math.Sqrt(q.size(3)); // (B, H, blocks, L, P)
        var near = matmul(queries, WithBefore(k).transpose(-1, -2)).masked_fill_(hiddenNear, double.NegativeInfinity);
        var starts = matmul(queries, k.narrow(2, 0, this.starts).unsqueeze(2).transpose(-1, -2)).masked_fill_(hiddenStarts, double.NegativeInfinity);
        var weights = cat([starts, near], -1).softmax(-1);
        var y = matmul(weights.narrow(-1, 0, this.starts), v.narrow(2, 0, this.starts).unsqueeze(2)) + matmul(weights.narrow(-1, this.starts, 2 * window), WithBefore(v));
        return y.reshape(q.shape).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        hiddenNear.Dispose();
        hiddenStarts.Dispose();
    }

    private Tensor Blocks(Tensor x) => x.view(x.size(0), x.size(1), -1, window, x.size(3));

    // Each block behind the one before it, the first behind zeros: (B, H, blocks, 2 L, P).
    private Tensor WithBefore(Tensor x)
    {
        var blocks = Blocks(x);
        var before = cat([zeros_like(blocks.narrow(2, 0, 1)), blocks.narrow(2, 0, blocks.size(2) - 1)], 2);
        return cat([before, blocks], 3);
    }
}
