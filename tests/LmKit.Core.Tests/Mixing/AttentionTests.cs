using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public abstract class AttentionTests : CausalMixerConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override StateGrowth Growth => StateGrowth.Linear;

    protected abstract AttentionOptions Options { get; }

    protected override IMixer Create(ScalarType dtype) =>
        ToyModel.Component(ToyModel.Builder(dtype: dtype), layer => new Attention(Options, layer));
}

public class AttentionWithoutPositionsTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2 };
}

public class AttentionWithRotaryTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, Positions = PositionKind.Rotary };
}

public class AttentionWithPartialRotaryTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, Positions = PositionKind.Rotary, RotaryDim = 2 };
}

public class AttentionWithInterleavedRotaryTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, Positions = PositionKind.Rotary, IsRotaryInterleaved = true };
}

public class AttentionWithAlibiTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 4, Positions = PositionKind.Alibi };
}

public class AttentionWithGroupedHeadsTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 4, KeyValueHeadCount = 2, HeadDim = 6, Positions = PositionKind.Rotary, HasBias = false };
}

public class BidirectionalAttentionTests : BidirectionalMixerConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override IMixer Create(ScalarType dtype) =>
        ToyModel.Component(ToyModel.Builder(dtype: dtype).AddBidirectionalMask(), layer => new Attention(new AttentionOptions { HeadCount = 2, Positions = PositionKind.Alibi }, layer));
}

public class AttentionThroughAWindowTests : AttentionTests
{
    protected override StateGrowth Growth => StateGrowth.Bounded;

    protected override long BoundReachedAt => 150;

    protected override long Length => 90;

    protected virtual long Sinks => 0;

    protected override AttentionOptions Options => new() { HeadCount = 2, Positions = PositionKind.Rotary };

    protected override IMixer Create(ScalarType dtype) =>
        ToyModel.Component(ToyModel.Builder(dtype: dtype).AddMask(WindowMaskOptions.Kind, options => options.Sinks = Sinks), layer => new Attention(Options, layer));
}

public class AttentionThroughAWindowWithSinksTests : AttentionThroughAWindowTests
{
    protected override long Sinks => 3;
}
