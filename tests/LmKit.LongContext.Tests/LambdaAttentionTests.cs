using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>Attention under Lambda masks, as a mixer: cuts, packing, padding, bounded state.</summary>
public abstract class LambdaAttentionTests : CausalMixerConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override StateGrowth Growth => StateGrowth.Bounded;

    protected abstract AttentionOptions Options { get; }

    protected abstract LambdaMaskOptions Mask { get; }

    protected virtual void AddPositions(LanguageModelBuilder builder)
    {
    }

    protected override IMixer Create(ScalarType dtype)
    {
        var builder = ToyModel.Builder(dtype: dtype).AddLambdaMask(mask =>
            (mask.LocalLength, mask.GlobalLength, mask.DistanceCeiling) = (Mask.LocalLength, Mask.GlobalLength, Mask.DistanceCeiling));
        AddPositions(builder);
        return ToyModel.Component(builder, layer => new Attention(Options, layer));
    }
}

public class LambdaAttentionWithoutPositionsTests : LambdaAttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2 };

    protected override LambdaMaskOptions Mask => new() { LocalLength = 5, GlobalLength = 2 };
}

public class LambdaAttentionWithRotaryTests : LambdaAttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2 };

    protected override void AddPositions(LanguageModelBuilder builder) => builder.AddRotary();

    protected override LambdaMaskOptions Mask => new() { LocalLength = 5, GlobalLength = 2 };
}

public class LambdaAttentionWithALowCeilingTests : LambdaAttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 4, KeyValueHeadCount = 2, HeadDim = 6, HasBias = false };

    protected override void AddPositions(LanguageModelBuilder builder) => builder.AddRotary();

    protected override LambdaMaskOptions Mask => new() { LocalLength = 7, GlobalLength = 3, DistanceCeiling = 4 };
}

public class LambdaAttentionWithAHighCeilingTests : LambdaAttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2 };

    protected override void AddPositions(LanguageModelBuilder builder) => builder.AddRotary(rotary => (rotary.Dim, rotary.IsInterleaved) = (2, true));

    protected override LambdaMaskOptions Mask => new() { LocalLength = 3, GlobalLength = 6, DistanceCeiling = 12 };
}

public class LambdaAttentionWithAlibiTests : LambdaAttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 4, KeyValueHeadCount = 2 };

    protected override void AddPositions(LanguageModelBuilder builder) => builder.AddAlibi();

    protected override LambdaMaskOptions Mask => new() { LocalLength = 5, GlobalLength = 1, DistanceCeiling = 2 };
}

public class LambdaAttentionWithoutStartingTokensTests : LambdaAttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2 };

    protected override void AddPositions(LanguageModelBuilder builder) => builder.AddRotary();

    protected override LambdaMaskOptions Mask => new() { LocalLength = 1, GlobalLength = 0 };
}

public class CappedLambdaAttentionTests : LambdaAttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 4, KeyValueHeadCount = 2, SoftCap = 0.8, QueryKeyNorm = QueryKeyNorm.PerHead, Scale = 1.2 };

    protected override void AddPositions(LanguageModelBuilder builder) => builder.AddRotary();

    protected override LambdaMaskOptions Mask => new() { LocalLength = 5, GlobalLength = 2, DistanceCeiling = 8 };
}

public class CappedLambdaAttentionWithAlibiTests : LambdaAttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, SoftCap = 0.5, Clip = 1, QueryKeyNorm = QueryKeyNorm.Whole };

    protected override void AddPositions(LanguageModelBuilder builder) => builder.AddAlibi();

    protected override LambdaMaskOptions Mask => new() { LocalLength = 4, GlobalLength = 1 };
}
