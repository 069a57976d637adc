using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Kernels;

public sealed class FullPackedLinearConformanceTests : PackedLinearConformance
{
    protected override WeightFormat Format => WeightFormat.Full;
}

public sealed class RoundedPackedLinearConformanceTests : PackedLinearConformance
{
    protected override WeightFormat Format => WeightFormat.BFloat16;
}

[Trait("Category", "Kernel")]
public abstract class PackedLinearConformance : LinearConformance
{
    protected abstract WeightFormat Format { get; }

    protected override long InFeatures => 7;

    protected override long OutFeatures => 18;

    protected override ILinear Create(ScalarType dtype)
    {
        using var random = new Generator(3);
        var linear = new PackedLinear(new PackedLinearOptions { Format = Format }, new LinearSite("fc", 0, InFeatures, OutFeatures, true, 0.5, new ParameterFactory(random, dtype: dtype)));
        linear.eval(); // in training mode the packed weights would never be read
        return linear;
    }
}
