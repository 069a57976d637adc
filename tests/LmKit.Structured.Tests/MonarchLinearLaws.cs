using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Structured.Tests;

public class MonarchLinearLaws : LinearConformance
{
    protected override long InFeatures => 12;

    protected override long OutFeatures => 20;

    protected virtual int BlockCount => 4;

    protected override ILinear Create(ScalarType dtype) =>
        new MonarchLinear(new MonarchOptions { BlockCount = BlockCount }, Sites.Make(InFeatures, OutFeatures, dtype: dtype));
}

public class PaddedMonarchLinearLaws : MonarchLinearLaws
{
    protected override long InFeatures => 10;

    protected override long OutFeatures => 7;

    protected override int BlockCount => 3;
}
