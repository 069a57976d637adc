using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>The laws of a block around attention.</summary>
public abstract class BlockLaws : CausalBlockConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override StateGrowth Growth => StateGrowth.Linear;

    protected abstract IBlock Make(LayerContext layer);

    protected override IBlock CreateBlock(ScalarType dtype) =>
        ToyModel.Component(ToyModel.Builder(dtype: dtype).AddAttention(attention => attention.HeadCount = 2).AddRotary().AddRmsNorm().AddMlp(mlp => mlp.MlpDim = 5), Make);
}

public class SequentialBlockTests : BlockLaws
{
    protected override IBlock Make(LayerContext layer) => new SequentialBlock(new SequentialBlockOptions(), layer);
}

public class SequentialBlockWithItsResidualAfterTheNormTests : BlockLaws
{
    protected override IBlock Make(LayerContext layer) => new SequentialBlock(new SequentialBlockOptions { IsResidualAfterNorm = true }, layer);
}

public class ParallelBlockTests : BlockLaws
{
    protected override IBlock Make(LayerContext layer) => new ParallelBlock(new ParallelBlockOptions(), layer);
}

public class ParallelBlockWithOneNormTests : BlockLaws
{
    protected override IBlock Make(LayerContext layer) => new ParallelBlock(new ParallelBlockOptions { HasOneNorm = true }, layer);
}

public class SandwichBlockTests : BlockLaws
{
    protected override IBlock Make(LayerContext layer) => new SandwichBlock(layer);
}

public class PostNormBlockTests : BlockLaws
{
    protected override IBlock Make(LayerContext layer) => new PostNormBlock(layer);
}

public class ToyBlockTests : BlockLaws
{
    protected override IBlock Make(LayerContext layer) => new ToyBlock(new ToyBlockOptions(), layer);
}
