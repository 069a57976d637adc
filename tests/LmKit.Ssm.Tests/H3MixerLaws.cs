using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

public abstract class H3MixerLaws(long headDim, Discretization discretization) : CausalMixerConformance
{
    protected override long ModelDim => 8;

    // The rounding of a Fourier transform is global.
    protected override double CausalTolerance => 1e-12;

    protected override IMixer Create(ScalarType dtype) => ToyModel.Component(
        ToyModel.Builder(dtype: dtype),
        layer => new H3Mixer(new H3Options { HeadDim = headDim, StateDim = 8, Discretization = discretization }, layer));
}

public class H3BilinearHeadOf1Laws() : H3MixerLaws(1, Discretization.Bilinear);

public class H3BilinearHeadOf2Laws() : H3MixerLaws(2, Discretization.Bilinear);

public class H3BilinearHeadOf4Laws() : H3MixerLaws(4, Discretization.Bilinear);

public class H3BilinearOneHeadLaws() : H3MixerLaws(8, Discretization.Bilinear);

public class H3ZohHeadOf1Laws() : H3MixerLaws(1, Discretization.Zoh);

public class H3ZohHeadOf2Laws() : H3MixerLaws(2, Discretization.Zoh);

public class H3ZohHeadOf4Laws() : H3MixerLaws(4, Discretization.Zoh);

public class H3LongerFilterThanSequenceLaws : CausalMixerConformance
{
    protected override long ModelDim => 6;

    protected override double CausalTolerance => 1e-12;

    protected override IMixer Create(ScalarType dtype) => ToyModel.Component(
        ToyModel.Builder(dtype: dtype, modelDim: ModelDim),
        layer => new H3Mixer(new H3Options { HeadDim = 3, StateDim = 2, ShiftDim = 40, Initialization = DiagonalInitialization.Real }, layer));
}
