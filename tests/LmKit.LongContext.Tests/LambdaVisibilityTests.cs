using LmKit.Conformance;

namespace LmKit.LongContext.Tests;

/// <summary>Lambda masks as masks.</summary>
public abstract class LambdaVisibilityTests : AttentionMaskConformance
{
    protected abstract LambdaMaskOptions Options { get; }

    protected override IAttentionMask Create() => new LambdaMask(Options);
}

public class LambdaTests : LambdaVisibilityTests
{
    protected override LambdaMaskOptions Options => new() { LocalLength = 8, GlobalLength = 3 };
}

public class WindowOnlyTests : LambdaVisibilityTests
{
    protected override LambdaMaskOptions Options => new() { LocalLength = 1, GlobalLength = 0, DistanceCeiling = 5 };
}

public class MoreStartingTokensThanWindowTests : LambdaVisibilityTests
{
    protected override LambdaMaskOptions Options => new() { LocalLength = 4, GlobalLength = 10, DistanceCeiling = 0 };
}
