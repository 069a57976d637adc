using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

internal static class ToyH3
{
    internal static H3Mixer Build(H3Options? options = null, ScalarType dtype = ScalarType.Float64, long modelDim = 8, ulong seed = 5)
    {
        var builder = new LanguageModelBuilder { VocabSize = 11, ModelDim = modelDim, LayerCount = 2, Dtype = dtype };
        builder.Options.InitializerRange = 0.4;
        using var random = new Generator(seed);
        return new H3Mixer(options ?? new H3Options { StateDim = 8 }, builder.CreateLayerContext(0, random));
    }
}
