using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>Attention under each other policy, as a mixer: cuts, packing, padding, state.</summary>
public abstract class PolicyAttentionTests : CausalMixerConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override StateGrowth Growth => StateGrowth.Bounded;

    protected virtual AttentionOptions Options => new() { HeadCount = 4, KeyValueHeadCount = 2 };

    protected abstract void Add(LanguageModelBuilder builder);

    protected override IMixer Create(ScalarType dtype)
    {
        var builder = ToyModel.Builder(dtype: dtype);
        Add(builder);
        return ToyModel.Component(builder, layer => new Attention(Options, layer));
    }
}

public class StreamingAttentionWithRotaryTests : PolicyAttentionTests
{
    protected override void Add(LanguageModelBuilder builder) => builder.AddRotary().AddStreamingMask(mask => (mask.StartLength, mask.RecentLength) = (2, 4));
}

public class StreamingAttentionBeforeTheStepTests : PolicyAttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, HasSinks = true, SoftCap = 0.9 };

    protected override void Add(LanguageModelBuilder builder) => builder
        .AddRotary(rotary => (rotary.Dim, rotary.IsInterleaved) = (2, true))
        .AddStreamingMask(mask => (mask.StartLength, mask.RecentLength, mask.EvictsBeforeStep) = (1, 5, true));
}

public class StreamingAttentionWithAlibiTests : PolicyAttentionTests
{
    protected override void Add(LanguageModelBuilder builder) => builder.AddAlibi().AddStreamingMask(mask => (mask.StartLength, mask.RecentLength) = (3, 3));
}

public class StreamingAttentionWithoutPositionsTests : PolicyAttentionTests
{
    protected override void Add(LanguageModelBuilder builder) => builder.AddStreamingMask(mask => (mask.StartLength, mask.RecentLength) = (0, 1));
}

public class LambdaAttentionAtTrueDistancesTests : PolicyAttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, HasSinks = true };

    protected override void Add(LanguageModelBuilder builder) => builder.AddRotary().AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength, mask.ShowsTrueDistances) = (5, 2, true));
}

public class LambdaAttentionAtTrueDistancesWithAlibiTests : PolicyAttentionTests
{
    protected override void Add(LanguageModelBuilder builder) => builder.AddAlibi().AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength, mask.ShowsTrueDistances) = (5, 2, true));
}

public class CeilingAttentionTests : PolicyAttentionTests
{
    protected override StateGrowth Growth => StateGrowth.Linear;

    protected override void Add(LanguageModelBuilder builder) => builder.AddRotary().AddCeilingMask(mask => mask.DistanceCeiling = 4);
}

public class CeilingAttentionWithAlibiTests : PolicyAttentionTests
{
    protected override StateGrowth Growth => StateGrowth.Linear;

    protected override void Add(LanguageModelBuilder builder) => builder.AddAlibi().AddCeilingMask(mask => mask.DistanceCeiling = 3);
}

public class CeilingAttentionWithAnOffsetTests : PolicyAttentionTests
{
    protected override StateGrowth Growth => StateGrowth.Linear;

    protected override void Add(LanguageModelBuilder builder) => builder.AddRotary().AddCeilingMask(mask => (mask.DistanceCeiling, mask.GlobalLength, mask.TriangleOffset) = (4, 1, 0.5));
}

public class SelfExtendAttentionTests : PolicyAttentionTests
{
    protected override StateGrowth Growth => StateGrowth.Linear;

    protected override AttentionOptions Options => new() { HeadCount = 4, KeyValueHeadCount = 2, HasSinks = true };

    protected override void Add(LanguageModelBuilder builder) => builder.AddRotary().AddSelfExtendMask(mask => (mask.NeighborLength, mask.GroupSize) = (5, 3));
}

public class DualChunkAttentionTests : PolicyAttentionTests
{
    protected override StateGrowth Growth => StateGrowth.Linear;

    protected override AttentionOptions Options => new() { HeadCount = 4, KeyValueHeadCount = 2, SoftCap = 0.8 };

    protected override void Add(LanguageModelBuilder builder) => builder.AddRotary().AddDualChunkMask(mask => (mask.ChunkLength, mask.LocalLength) = (6, 2));
}
