using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>Attention under eviction masks, as a mixer: cuts, packing, padding, gradients, bounded state.</summary>
public abstract class EvictionLaws(EvictionPolicy policy) : CausalMixerConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override StateGrowth Growth => StateGrowth.Bounded;

    protected virtual int BlockLength => 3;

    protected abstract void AddPositions(LanguageModelBuilder builder);

    protected override IMixer Create(ScalarType dtype)
    {
        var builder = ToyModel.Builder(dtype: dtype).AddEvictionMask(mask =>
            (mask.Policy, mask.Budget, mask.StartLength, mask.RecentLength, mask.BlockLength) = (policy, 6, 1, 2, BlockLength));
        AddPositions(builder);
        return ToyModel.Component(builder, layer => new Attention(new AttentionOptions { HeadCount = 4, KeyValueHeadCount = 2 }, layer));
    }
}

public sealed class KeyNormEvictionLaws() : EvictionLaws(EvictionPolicy.KeyNorm)
{
    protected override void AddPositions(LanguageModelBuilder builder) => builder.AddRotary();
}

public sealed class KeyDiffEvictionLaws() : EvictionLaws(EvictionPolicy.KeyDiff)
{
    protected override void AddPositions(LanguageModelBuilder builder) => builder.AddAlibi();
}

public sealed class TovaEvictionLaws() : EvictionLaws(EvictionPolicy.Tova)
{
    protected override int BlockLength => 1;

    protected override void AddPositions(LanguageModelBuilder builder) => builder.AddRotary(rotary => (rotary.Dim, rotary.IsInterleaved) = (2, true));
}

public sealed class TovaEvictionWithoutPositionsLaws() : EvictionLaws(EvictionPolicy.Tova)
{
    protected override void AddPositions(LanguageModelBuilder builder)
    {
    }
}

/// <summary>What the mask says of itself by positions alone.</summary>
public sealed class EvictionMaskLaws : AttentionMaskConformance
{
    protected override IAttentionMask Create() => new EvictionMask(new EvictionMaskOptions { Budget = 8, StartLength = 1, RecentLength = 2, BlockLength = 4 });
}
