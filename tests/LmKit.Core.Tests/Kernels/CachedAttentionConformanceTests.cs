using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Kernels;

/// <summary>New tokens over a cache of as many keys as the case's length: what the cache answers equals the definition.</summary>
public abstract class CachedAttentionConformance : KernelConformance
{
    private const int Rows = 2;
    private const int Heads = 6;

    internal virtual IAttentionMask Mask => new CausalMask();

    protected virtual int HeadDim => 36;

    protected virtual PositionEncoding? Encoding => new RotaryEmbedding(36);

    protected virtual long NewTokens => 3;

    protected virtual int KeyHeads => 2;

    /// <summary>The bound of the scores; those of the inputs reach about 3.</summary>
    protected virtual double? SoftCap => null;

    /// <summary>Whether a score per head joins every softmax.</summary>
    protected virtual bool HasSinks => false;

    /// <summary>Whether rows are padded and hold several documents.</summary>
    protected virtual bool IsRagged => false;

    protected override Func<IReadOnlyList<Tensor>, Tensor> Reference => given =>
    {
        using var scope = NewDisposeScope();
        var (held, dtype) = (given[3].ToInt64(), given[0].dtype);
        var (k, v) = (cat([Held(held, 1, dtype), given[1]], 1), cat([Held(held, 2, dtype), given[2]], 1));
        var segments = Segments(held);
        var layout = SequenceLayout.Read(Rows, held + NewTokens, segments);
        var (positions, documents) = (layout.PositionTensor(CPU), layout.SegmentTensor(CPU));
        var input = new AttentionInput(
            given[0].transpose(1, 2),
            k.transpose(1, 2),
            v.transpose(1, 2),
            positions.narrow(1, held, NewTokens),
            positions,
            documents.narrow(1, held, NewTokens),
            documents,
            Encoding)
        { SoftCap = SoftCap, Sinks = HasSinks ? given[4] : null };
        return CachedAttention.Reference(input, ((IReachingMask)Mask).Reach).transpose(1, 2).MoveToOuterDisposeScope();
    };

    protected override Func<IReadOnlyList<Tensor>, Tensor> Fast => given =>
    {
        using var scope = NewDisposeScope();
        var (held, dtype) = (given[3].ToInt64(), given[0].dtype);
        using var cache = new KeyValueCache(Mask, Encoding, Rows, KeyHeads, HeadDim);
        var segments = Segments(held);
        var (k, v) = (Held(held, 1, dtype), Held(held, 2, dtype));
        var before = k.repeat_interleave(Heads / KeyHeads, 2);
        _ = cache.Extend(before, k, v, segments?.narrow(1, 0, held));
        var rest = segments?.narrow(1, held, NewTokens);
        var isServed = dtype == ScalarType.Float32 && !is_grad_enabled();
        var sinks = HasSinks ? given[4] : null;
        var attended = cache.Step(given[0], given[1], given[2], rest, SoftCap, sinks);
        Assert.Equal(isServed, attended is not null);
        if (attended is not null)
            return attended.MoveToOuterDisposeScope();
        var (input, reach) = (cache.Extend(given[0], given[1], given[2], rest, SoftCap, sinks), ((IReachingMask)Mask).Reach);
        attended = (reach.Far == FarDistance.Closed ? LambdaAttention.Attend(input, reach) : DenseAttention.Attend(input, Mask)).transpose(1, 2);
        return attended.MoveToOuterDisposeScope();
    };

    protected override IReadOnlyList<Tensor> Inputs(long length, ScalarType dtype, Generator random) =>
    [
        randn([Rows, NewTokens, Heads, HeadDim], dtype, generator: random),
        randn([Rows, NewTokens, KeyHeads, HeadDim], dtype, generator: random),
        randn([Rows, NewTokens, KeyHeads, HeadDim], dtype, generator: random),
        tensor(length),
        .. HasSinks ? new[] { randn([Heads], dtype, generator: random) } : [],
    ];

    private Tensor Held(long count, ulong seed, ScalarType dtype)
    {
        using var random = new Generator(seed);
        return randn([Rows, count, KeyHeads, HeadDim], ScalarType.Float64, generator: random).to(dtype);
    }

    // The first row is padded on the left and in the middle, the second one holds two documents and ends with padding.
    private Tensor? Segments(long held)
    {
        if (!IsRagged)
            return null;
        var ids = zeros(Rows, held + NewTokens, dtype: ScalarType.Int64);
        ids[0, TensorIndex.Slice(0, held / 4)] = -1L;
        ids[0, TensorIndex.Slice(held / 2, held / 2 + 1)] = -1L;
        ids[1, TensorIndex.Slice(held / 2)] = 5L;
        ids[1, held + NewTokens - 1] = -1L;
        return ids;
    }
}

public sealed class CachedAttentionTests : CachedAttentionConformance;

public sealed class CachedAttentionOfWideHeadsTests : CachedAttentionConformance
{
    internal override IAttentionMask Mask => new ReachMask(40, 4);

    protected override int HeadDim => 70;

    protected override long NewTokens => 1;
}

public sealed class CachedAttentionPartlyTurnedTests : CachedAttentionConformance
{
    protected override PositionEncoding? Encoding => new RotaryEmbedding(22);

    protected override int KeyHeads => 6;

    protected override long NewTokens => 1;
}

public sealed class CachedAttentionInterleavedTests : CachedAttentionConformance
{
    internal override IAttentionMask Mask => new ReachMask(9, 4);

    protected override PositionEncoding? Encoding => new RotaryEmbedding(20, isInterleaved: true);

    protected override bool IsRagged => true;
}

public sealed class CachedAttentionScaledTests : CachedAttentionConformance
{
    internal override IAttentionMask Mask => new ReachMask(9, 4);

    protected override PositionEncoding? Encoding =>
        new RotaryEmbedding(new YarnRotaryScaling { Factor = 8, OriginalLength = 64, BetaFast = 2 }.Frequencies(36, 10_000, 1), false);
}

public sealed class CachedAttentionSlidingWindowTests : CachedAttentionConformance
{
    internal override IAttentionMask Mask => new SlidingWindowMask(new SlidingWindowOptions { Window = 9 });
}

public sealed class CachedAttentionRaggedSlidingWindowTests : CachedAttentionConformance
{
    internal override IAttentionMask Mask => new SlidingWindowMask(new SlidingWindowOptions { Window = 3 });

    protected override PositionEncoding? Encoding => new AlibiEncoding(6);

    protected override bool IsRagged => true;
}

public sealed class CachedAttentionWithStartsTests : CachedAttentionConformance
{
    internal override IAttentionMask Mask => new ReachMask(9, 4);

    protected override int KeyHeads => 1;

    protected override long NewTokens => 8;
}

public sealed class CachedAttentionAlibiTests : CachedAttentionConformance
{
    internal override IAttentionMask Mask => new ReachMask(9, 4);

    protected override PositionEncoding? Encoding => new AlibiEncoding(6);
}

public sealed class CachedAttentionRaggedAlibiTests : CachedAttentionConformance
{
    protected override PositionEncoding? Encoding => new AlibiEncoding(6);

    protected override bool IsRagged => true;
}

public sealed class CachedAttentionWithoutPositionsTests : CachedAttentionConformance
{
    internal override IAttentionMask Mask => new ReachMask(30, 2);

    protected override PositionEncoding? Encoding => null;

    protected override bool IsRagged => true;

    protected override long NewTokens => 1;
}

public sealed class CachedAttentionCappedTests : CachedAttentionConformance
{
    internal override IAttentionMask Mask => new ReachMask(9, 4);

    protected override double? SoftCap => 1.5;
}

public sealed class CachedAttentionCappedRaggedAlibiTests : CachedAttentionConformance
{
    protected override PositionEncoding? Encoding => new AlibiEncoding(6);

    protected override bool IsRagged => true;

    protected override double? SoftCap => 0.5;
}

public sealed class CachedAttentionWidelyCappedTests : CachedAttentionConformance
{
    protected override PositionEncoding? Encoding => null;

    protected override double? SoftCap => 5000;
}

public sealed class CachedAttentionClosedTests : CachedAttentionConformance
{
    internal override IAttentionMask Mask => new ReachMask(9, 4, FarDistance.Closed);

    protected override bool HasSinks => true;
}

public sealed class CachedAttentionClosedRaggedAlibiTests : CachedAttentionConformance
{
    internal override IAttentionMask Mask => new ReachMask(9, 4, FarDistance.Closed);

    protected override PositionEncoding? Encoding => new AlibiEncoding(6);

    protected override bool IsRagged => true;
}

public sealed class CachedAttentionAtTrueDistancesTests : CachedAttentionConformance
{
    internal override IAttentionMask Mask => new ReachMask(9, 4, FarDistance.True);

    protected override bool IsRagged => true;

    protected override bool HasSinks => true;
}

public sealed class CachedAttentionAtTrueDistancesWithAlibiTests : CachedAttentionConformance
{
    internal override IAttentionMask Mask => new ReachMask(9, 4, FarDistance.True);

    protected override PositionEncoding? Encoding => new AlibiEncoding(6);

    protected override double? SoftCap => 1.5;
}
