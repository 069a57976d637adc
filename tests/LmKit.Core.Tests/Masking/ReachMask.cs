using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>A mask of three numbers whose ceiling is its window, so that a predicate and a ceiling say all of it too.</summary>
internal sealed class ReachMask(long window, long starts, FarDistance far = FarDistance.Ceiling) : IAttentionMask, IReachingMask
{
    public bool IsCausal => true;

    public bool Forgets => false;

    public long? DistanceCeiling => far == FarDistance.Ceiling ? window : null;

    MaskReach IReachingMask.Reach => new(window, starts, window + (far == FarDistance.Closed ? starts - 1 : 0), far);

    public Tensor? Visible(Tensor queries, Tensor keys)
    {
        using var scope = NewDisposeScope();
        var (i, j) = (queries.unsqueeze(-1), keys.unsqueeze(-2));
        return i.ge(j).logical_and((i - j).lt(window).logical_or(j.lt(starts))).MoveToOuterDisposeScope();
    }
}
