using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

public abstract class S4DMixerLaws(S4DOptions options) : CausalMixerConformance
{
    protected override long ModelDim => 8;

    // The rounding of a Fourier transform is global.
    protected override double CausalTolerance => 1e-12;

    protected override IMixer Create(ScalarType dtype) => ToyModel.Component(ToyModel.Builder(dtype: dtype), layer => new S4DMixer(options, layer));
}

public class S4DLaws() : S4DMixerLaws(new S4DOptions { StateDim = 8 });

public class S4DGatedBilinearLaws() : S4DMixerLaws(new S4DOptions
{
    StateDim = 8,
    IsGated = true,
    Discretization = Discretization.Bilinear,
    Initialization = DiagonalInitialization.Legs,
    MatrixCount = 2,
});

public class S4DInChunksLaws() : S4DMixerLaws(new S4DOptions { StateDim = 8, ChunkLength = 5, MatrixCount = 0, Initialization = DiagonalInitialization.Mixed });

public class S4DTokenByTokenLaws() : S4DMixerLaws(new S4DOptions { StateDim = 8, ChunkLength = 1 });

public abstract class S4DBidirectionalMixerLaws(Discretization discretization, bool isGated = false) : BidirectionalMixerConformance
{
    protected override long ModelDim => 8;

    protected override IMixer Create(ScalarType dtype)
    {
        var builder = ToyModel.Builder(dtype: dtype);
        builder.Options.IsBidirectional = true;
        return ToyModel.Component(builder, layer => new S4DMixer(new S4DOptions { StateDim = 8, Discretization = discretization, IsGated = isGated }, layer));
    }
}

public class S4DBidirectionalZohLaws() : S4DBidirectionalMixerLaws(Discretization.Zoh);

public class S4DBidirectionalGatedLaws() : S4DBidirectionalMixerLaws(Discretization.Zoh, isGated: true);

public class S4DBidirectionalBilinearLaws() : S4DBidirectionalMixerLaws(Discretization.Bilinear);

public abstract class H3InChunksMixerLaws(long chunkLength) : CausalMixerConformance
{
    protected override long ModelDim => 8;

    protected override double CausalTolerance => 1e-12;

    protected override IMixer Create(ScalarType dtype) => ToyModel.Component(
        ToyModel.Builder(dtype: dtype),
        layer => new H3Mixer(new H3Options { HeadDim = 2, StateDim = 8, ChunkLength = chunkLength }, layer));
}

public class H3InChunksLaws() : H3InChunksMixerLaws(4);

public class H3TokenByTokenLaws() : H3InChunksMixerLaws(1);

public abstract class ShiftMixerLaws(long stateDim) : CausalMixerConformance
{
    protected override long ModelDim => 8;

    protected override double CausalTolerance => 1e-12;

    protected override IMixer Create(ScalarType dtype) => ToyModel.Component(
        ToyModel.Builder(dtype: dtype),
        layer => new ShiftMixer(new ShiftOptions { StateDim = stateDim }, layer));
}

public class ShiftOfOneTapLaws() : ShiftMixerLaws(1);

public class ShiftShortStateLaws() : ShiftMixerLaws(5);

public class ShiftLongStateLaws() : ShiftMixerLaws(40);

public class SelectiveScanLaws : CausalMixerConformance
{
    protected override long ModelDim => 8;

    protected override IMixer Create(ScalarType dtype) => ToyModel.Component(
        ToyModel.Builder(dtype: dtype),
        layer => new SelectiveScanMixer(new SelectiveScanOptions { StateDim = 4 }, layer));
}

public class SelectiveScanOfOneTapLaws : CausalMixerConformance
{
    protected override long ModelDim => 6;

    protected override IMixer Create(ScalarType dtype) => ToyModel.Component(
        ToyModel.Builder(dtype: dtype, modelDim: ModelDim),
        layer => new SelectiveScanMixer(new SelectiveScanOptions { StateDim = 3, ConvolutionLength = 1, Expansion = 1, TimeStepRank = 2 }, layer));
}

public abstract class LongConvMixerLaws(long kernelLength) : CausalMixerConformance
{
    protected override long ModelDim => 8;

    protected override double CausalTolerance => 1e-12;

    protected override IMixer Create(ScalarType dtype) => ToyModel.Component(
        ToyModel.Builder(dtype: dtype),
        layer => new LongConvMixer(new LongConvOptions { KernelLength = kernelLength }, layer));
}

public class LongConvShortKernelLaws() : LongConvMixerLaws(5);

public class LongConvLongKernelLaws() : LongConvMixerLaws(40);

public class LongConvBidirectionalLaws : BidirectionalMixerConformance
{
    protected override long ModelDim => 8;

    protected override IMixer Create(ScalarType dtype)
    {
        var builder = ToyModel.Builder(dtype: dtype);
        builder.Options.IsBidirectional = true;
        return ToyModel.Component(builder, layer => new LongConvMixer(new LongConvOptions { KernelLength = 9 }, layer));
    }
}
