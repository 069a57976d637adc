using LmKit.Conformance;

namespace LmKit.Core.Tests;

public class CausalMaskTests : AttentionMaskConformance
{
    protected override IAttentionMask Create() => new CausalMask();
}

public class BidirectionalMaskTests : AttentionMaskConformance
{
    protected override IAttentionMask Create() => new BidirectionalMask();
}

public class WindowMaskTests : AttentionMaskConformance
{
    protected override IAttentionMask Create() => new WindowMask(5, 2);
}
