using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

/// <summary>Every causal mixer of the package at toy size, by a name that a failing test shows.</summary>
internal static class MixerCases
{
    internal const long ModelDim = 8;

    private static readonly Dictionary<string, Func<LayerContext, nn.Module<Tensor, SequenceContext?, Tensor>>> Makers = new()
    {
        ["h3, heads of 1"] = layer => new H3Mixer(new H3Options { StateDim = 8 }, layer),
        ["h3, heads of 2"] = layer => new H3Mixer(new H3Options { StateDim = 8, HeadDim = 2 }, layer),
        ["h3, one head"] = layer => new H3Mixer(new H3Options { StateDim = 8, HeadDim = 8, Discretization = Discretization.Zoh }, layer),
        ["h3 in chunks"] = layer => new H3Mixer(new H3Options { StateDim = 8, HeadDim = 2, ChunkLength = 5 }, layer),
        ["s4d"] = layer => new S4DMixer(new S4DOptions { StateDim = 8 }, layer),
        ["s4d, gated"] = layer => new S4DMixer(new S4DOptions { StateDim = 8, IsGated = true, MatrixCount = 4 }, layer),
        ["s4d in chunks"] = layer => new S4DMixer(new S4DOptions { StateDim = 8, ChunkLength = 5 }, layer),
        ["shift"] = layer => new ShiftMixer(new ShiftOptions { StateDim = 9 }, layer),
        ["selective scan"] = layer => new SelectiveScanMixer(new SelectiveScanOptions { StateDim = 4 }, layer),
        ["long convolution"] = layer => new LongConvMixer(new LongConvOptions { KernelLength = 9 }, layer),
    };

    internal static TheoryData<string> Names => [.. Makers.Keys];

    internal static TheoryData<string, ScalarType> NamesInBothPrecisions
    {
        get
        {
            var cases = new TheoryData<string, ScalarType>();
            foreach (var name in Makers.Keys)
            {
                cases.Add(name, ScalarType.Float64);
                cases.Add(name, ScalarType.Float32);
            }
            return cases;
        }
    }

    internal static nn.Module<Tensor, SequenceContext?, Tensor> Make(string name, ScalarType dtype = ScalarType.Float64) =>
        ToyModel.Component(ToyModel.Builder(dtype: dtype), Makers[name]);

    internal static MixerState NewState(nn.Module<Tensor, SequenceContext?, Tensor> mixer, long batch) => ((IMixer)mixer).NewState(batch);

    /// <summary>Fails unless two states hold the same, the places of their rows left out.</summary>
    internal static void CheckSame(string name, MixerState expected, MixerState actual, double tolerance, double relativeToLargest = 0)
    {
        Assert.Equal(expected.Tensors.Keys.Order(StringComparer.Ordinal), actual.Tensors.Keys.Order(StringComparer.Ordinal));
        foreach (var (part, value) in expected.Tensors.Where(pair => pair.Key != "cursor"))
            Close.Check($"{name}: {part}", value, actual.Tensors[part], absolute: tolerance, relativeToLargest: relativeToLargest);
    }
}
