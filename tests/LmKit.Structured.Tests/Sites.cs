using static TorchSharp.torch;

namespace LmKit.Structured.Tests;

internal static class Sites
{
    internal static LinearSite Make(long inFeatures, long outFeatures, bool hasBias = true, ScalarType dtype = ScalarType.Float64, ulong seed = 1) =>
        new("layers.0.mlp.fc1", 0, inFeatures, outFeatures, hasBias, 0.02, new ParameterFactory(new Generator(seed), dtype));
}
