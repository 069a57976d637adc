using LmKit.Conformance;

namespace LmKit.LongContext.Tests;

public class LambdaMaskLaws : AttentionMaskConformance
{
    protected override IAttentionMask Create() => new LambdaMask(new LambdaMaskOptions { GlobalLength = 2, LocalLength = 5 });
}

public class LambdaMaskWithoutStartLaws : AttentionMaskConformance
{
    protected override IAttentionMask Create() => new LambdaMask(new LambdaMaskOptions { GlobalLength = 0, LocalLength = 1 });
}
