using LmKit.Conformance;

namespace LmKit.LongContext.Tests;

public class MaskOnlyTests : LambdaVisibilityTests
{
    protected override LambdaMaskOptions Options => new() { LocalLength = 8, GlobalLength = 3, ShowsTrueDistances = true };
}

public class CeilingTests : AttentionMaskConformance
{
    protected override IAttentionMask Create() => new CeilingMask(new CeilingMaskOptions { DistanceCeiling = 8, TriangleOffset = 0.5, GlobalLength = 3 });
}

public class StreamingTests : AttentionMaskConformance
{
    protected override IAttentionMask Create() => new StreamingMask(new StreamingMaskOptions { StartLength = 3, RecentLength = 7 });
}

public class StreamingThatEvictsBeforeTests : AttentionMaskConformance
{
    protected override IAttentionMask Create() => new StreamingMask(new StreamingMaskOptions { StartLength = 0, RecentLength = 1, EvictsBeforeStep = true });
}

public class SelfExtendTests : AttentionMaskConformance
{
    protected override IAttentionMask Create() => new SelfExtendMask(new SelfExtendMaskOptions { NeighborLength = 6, GroupSize = 4 });
}

public class DualChunkTests : AttentionMaskConformance
{
    protected override IAttentionMask Create() => new DualChunkMask(new DualChunkMaskOptions { ChunkLength = 10, LocalLength = 4 });
}
