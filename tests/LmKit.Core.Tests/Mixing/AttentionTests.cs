using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public abstract class AttentionTests : CausalMixerConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override StateGrowth Growth => StateGrowth.Linear;

    protected abstract AttentionOptions Options { get; }

    protected abstract LanguageModelBuilder Compose(LanguageModelBuilder builder);

    protected override IMixer Create(ScalarType dtype) =>
        ToyModel.Component(Compose(ToyModel.Builder(dtype: dtype)), layer => new Attention(Options, layer));
}

public class AttentionWithoutPositionsTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2 };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder;
}

public class AttentionWithRotaryTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2 };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddRotary();
}

public class AttentionWithPartialRotaryTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2 };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddRotary(rotary => rotary.Dim = 2);
}

public class AttentionWithInterleavedRotaryTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2 };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddRotary(rotary => rotary.IsInterleaved = true);
}

public class AttentionWithAlibiTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 4 };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddAlibi();
}

public class AttentionWithGroupedHeadsTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 4, KeyValueHeadCount = 2, HeadDim = 6, HasBias = false };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddRotary();
}

public class BidirectionalAttentionTests : BidirectionalMixerConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override IMixer Create(ScalarType dtype) =>
        ToyModel.Component(ToyModel.Builder(dtype: dtype).AddBidirectionalMask().AddAlibi(), layer => new Attention(new AttentionOptions { HeadCount = 2 }, layer));
}

public class AttentionThroughAWindowTests : AttentionTests
{
    protected override StateGrowth Growth => StateGrowth.Bounded;

    protected override long BoundReachedAt => 150;

    protected override long Length => 90;

    protected virtual long Sinks => 0;

    protected override AttentionOptions Options => new() { HeadCount = 2 };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddRotary().Add(WindowMaskOptions.Kind, options => options.Sinks = Sinks);
}

public class AttentionThroughAWindowWithSinksTests : AttentionThroughAWindowTests
{
    protected override long Sinks => 3;
}

public class AttentionOfOneNormOverAllHeadsTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 4, KeyValueHeadCount = 2, HeadDim = 6, QueryKeyNorm = QueryKeyNorm.Whole, Clip = 1.5, HasOutputBias = false };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddRmsNorm().AddRotary();
}

public class AttentionThroughACappedWindowTests : AttentionThroughAWindowTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, QueryKeyNorm = QueryKeyNorm.PerHead, Scale = 0.9, SoftCap = 2 };
}

public class CappedAttentionWithAlibiTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 4, KeyValueHeadCount = 1, SoftCap = 0.8, DividesScaleByLayer = true, HasBias = false, HasOutputBias = true };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddAlibi();
}

public class CappedAttentionWithRotaryTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, SoftCap = 1.5, Clip = 0.7, DropoutRate = 0.5 };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddRotary();
}

public class CappedAttentionWithoutPositionsTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, SoftCap = 0.4, Scale = 2, QueryKeyNorm = QueryKeyNorm.PerHead };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder;
}

public class CappedAttentionUnderAMaskThatIgnoresCapsTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, SoftCap = 1 };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddRotary().Add(OwnWayMask.Plain);
}

public class CappedBidirectionalAttentionTests : BidirectionalMixerConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override IMixer Create(ScalarType dtype) => ToyModel.Component(
        ToyModel.Builder(dtype: dtype).AddBidirectionalMask().AddRotary(),
        layer => new Attention(new AttentionOptions { HeadCount = 2, QueryKeyNorm = QueryKeyNorm.Whole, SoftCap = 1, Scale = 1.3 }, layer));
}
