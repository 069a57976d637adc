using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>Adapters as linear maps.</summary>
public abstract class LoraLawTests : LinearConformance
{
    protected override long InFeatures => 6;

    protected override long OutFeatures => 5;

    protected virtual LoraOptions Options => new() { Rank = 2, Alpha = 3 };

    protected abstract ILinear Base(LinearSite site);

    protected override ILinear Create(ScalarType dtype)
    {
        var site = Sites.Make(InFeatures, OutFeatures, true, dtype);
        var lora = new LoraLinear(Options, Base(site), site);
        Awake.Up(lora);
        return lora;
    }
}

public class LoraLinearOverDenseTests : LoraLawTests
{
    protected override ILinear Base(LinearSite site) => new DenseLinear(site);
}

public class RankStabilizedLoraWithBiasTests : LoraLawTests
{
    protected override LoraOptions Options => new() { Rank = 3, IsRankStabilized = true, HasBias = true, Initialization = LoraInitialization.Gaussian };

    protected override ILinear Base(LinearSite site) => new DenseLinear(site);
}

public class LoraLinearOverMonarchTests : LoraLawTests
{
    protected override ILinear Base(LinearSite site) => new MonarchLinear(new MonarchOptions { BlockCount = 2 }, site);
}

public class LoraLinearOverLoraTests : LoraLawTests
{
    protected override ILinear Base(LinearSite site)
    {
        var inner = new LoraLinear(new LoraOptions { Rank = 1 }, new DenseLinear(site), site);
        Awake.Up(inner);
        return inner;
    }
}
