using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>The laws of the diffusion block around bidirectional attention, under a condition that moves every part of it.</summary>
public class DiffusionBlockTests : BidirectionalBlockConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override IBlock CreateBlock(ScalarType dtype) => ModulatedBlock.Make(dtype, isBidirectional: true);

    protected override Tensor CreateCondition(ScalarType dtype) => ModulatedBlock.Condition(dtype);
}

/// <summary>The same around causal attention, which carries state.</summary>
public class CausalDiffusionBlockTests : CausalBlockConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override StateGrowth Growth => StateGrowth.Linear;

    protected override IBlock CreateBlock(ScalarType dtype) => ModulatedBlock.Make(dtype, isBidirectional: false);

    protected override Tensor CreateCondition(ScalarType dtype) => ModulatedBlock.Condition(dtype);

    [Fact]
    public void Each_row_is_modulated_by_its_own_condition_and_a_call_without_one_is_refused()
    {
        using var scope = NewDisposeScope();
        using var block = (DiffusionBlock)CreateBlock(ScalarType.Float64);
        var conditions = cat([ModulatedBlock.Condition(ScalarType.Float64), ModulatedBlock.Condition(ScalarType.Float64) * -2]);
        var x = ones(2, 5, ModelDim, ScalarType.Float64) * arange(1, 6, ScalarType.Float64).view(1, 5, 1);

        var both = block.call(x, new SequenceContext { Condition = conditions });

        for (var row = 0; row < 2; row++)
            Close.Check($"row {row}", block.call(x.narrow(0, row, 1), new SequenceContext { Condition = conditions.narrow(0, row, 1) }), both.narrow(0, row, 1), absolute: 1e-12);
        Assert.True((both[0] - both[1]).abs().max().item<double>() > 1e-3);
        Assert.Contains("Condition (B, C)", Assert.Throws<ArgumentException>(() => block.call(x, null)).Message, StringComparison.Ordinal);
    }
}

/// <summary>A diffusion block that is no longer the identity that it starts as.</summary>
internal static class ModulatedBlock
{
    internal const long ConditionDim = 4;

    internal static IBlock Make(ScalarType dtype, bool isBidirectional)
    {
        var builder = ToyModel.Builder(dtype: dtype).AddTimestepConditioning(timestep => timestep.ConditionDim = ConditionDim)
            .AddAttention(attention => attention.HeadCount = 2).AddRotary().AddRmsNorm().AddMlp(mlp => mlp.MlpDim = 5);
        builder.Options.IsBidirectional = isBidirectional;
        var block = ToyModel.Component(builder, layer => new DiffusionBlock(layer));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(9);
        foreach (var (_, parameter) in block.named_parameters().Where(pair => pair.name.StartsWith("adaLN_modulation", StringComparison.Ordinal)))
            parameter.copy_(randn(parameter.shape, generator: random) * 0.5);
        return block;
    }

    internal static Tensor Condition(ScalarType dtype) => tensor([0.3, -0.7, 1.1, 0.4], [1, ConditionDim], dtype);
}
