using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Structured.Tests;

/// <summary>Monarch linears as linear maps.</summary>
public abstract class MonarchLawTests : LinearConformance
{
    protected virtual bool HasBias => true;

    protected virtual MonarchOptions Options => new();

    protected override ILinear Create(ScalarType dtype) => new MonarchLinear(Options, Sites.Make(InFeatures, OutFeatures, HasBias, dtype));
}

public class WideningMonarchTests : MonarchLawTests
{
    protected override long InFeatures => 12;

    protected override long OutFeatures => 20;
}

public class PaddedNarrowingMonarchTests : MonarchLawTests
{
    protected override long InFeatures => 10;

    protected override long OutFeatures => 7;

    protected override bool HasBias => false;

    protected override MonarchOptions Options => new() { BlockCount = 3, Initialization = MonarchInitialization.MuP };
}

public class OneBlockMonarchTests : MonarchLawTests
{
    protected override long InFeatures => 6;

    protected override long OutFeatures => 5;

    protected override MonarchOptions Options => new() { BlockCount = 1 };
}

public class MoreBlocksThanFeaturesMonarchTests : MonarchLawTests
{
    protected override long InFeatures => 3;

    protected override long OutFeatures => 5;

    protected override MonarchOptions Options => new() { BlockCount = 8, Initialization = MonarchInitialization.DenseMatched };
}
