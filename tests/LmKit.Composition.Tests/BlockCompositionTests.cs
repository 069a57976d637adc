using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>The laws of every layout of a layer around a state space of another package.</summary>
public abstract class BlocksAroundH3 : CausalBlockConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override long Length => 15;

    protected override double CausalTolerance => 1e-12; // a transform's rounding is global

    protected abstract IBlock Make(LayerContext layer);

    protected override IBlock CreateBlock(ScalarType dtype) =>
        ToyModel.Component(ToyModel.Builder(dtype: dtype).AddH3(h3 => (h3.StateDim, h3.HeadDim) = (4, 2)).AddRmsNorm().AddGatedMlp(mlp => mlp.MlpDim = 5), Make);
}

public class SequentialBlockAroundH3Tests : BlocksAroundH3
{
    protected override IBlock Make(LayerContext layer) => new SequentialBlock(new SequentialBlockOptions { IsResidualAfterNorm = true }, layer);
}

public class ParallelBlockAroundH3Tests : BlocksAroundH3
{
    protected override IBlock Make(LayerContext layer) => new ParallelBlock(new ParallelBlockOptions(), layer);
}

public class SandwichBlockAroundH3Tests : BlocksAroundH3
{
    protected override IBlock Make(LayerContext layer) => new SandwichBlock(layer);
}

public class PostNormBlockAroundH3Tests : BlocksAroundH3
{
    protected override IBlock Make(LayerContext layer) => new PostNormBlock(layer);
}
