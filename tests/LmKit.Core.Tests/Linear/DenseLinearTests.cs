using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public class DenseLinearTests : LinearConformance
{
    protected override long InFeatures => 5;

    protected override long OutFeatures => 3;

    protected virtual bool HasBias => true;

    protected override ILinear Create(ScalarType dtype)
    {
        using var random = new Generator(2);
        return new DenseLinear(new LinearSite("layers.0.mixer.q_proj", 0, InFeatures, OutFeatures, HasBias, 0.5, new ParameterFactory(random, dtype)));
    }
}

public class DenseLinearWithoutBiasTests : DenseLinearTests
{
    protected override bool HasBias => false;
}
