using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Advantages A = (R - mean) / (std + 1e-8) within groups of consecutive rows, clipped; std is unbiased.</summary>
public static class GroupedRewardNormalization
{
    private const double Tiny = 1e-8;

    /// <summary>Advantages (B) of rewards (B); equal rewards give 0.</summary>
    /// <param name="rewards">Rewards, finite.</param>
    /// <param name="groupSize">Rows G of a group, at least 2.</param>
    /// <param name="clip">Bound of an advantage.</param>
    /// <param name="dividesByDeviation">Whether the group's deviation is divided out.</param>
    /// <param name="counted">(B) bool: rows with a reward at all; the others have advantage 0 and do not move their group. Null for all.</param>
    /// <exception cref="ArgumentException">A group of one, rows that do not fill groups, or a reward that is not finite.</exception>
    public static Tensor Advantages(Tensor rewards, int groupSize, double clip = 3, bool dividesByDeviation = true, Tensor? counted = null)
    {
        var check = new TensorCheck(nameof(GroupedRewardNormalization));
        check.AnyFloating(rewards, nameof(rewards), "B");
        if (counted is not null)
            check.Truths(counted, nameof(counted), "B");
        if (!(clip >= 0))
            throw new ArgumentOutOfRangeException(nameof(clip), clip, "The bound of an advantage is 0 or more.");
        if (groupSize < 2)
            throw new ArgumentException($"group_size = {groupSize}: a group of one has no deviation and no advantage; use at least 2.", nameof(groupSize));
        if (rewards.dim() != 1 || rewards.size(0) == 0 || rewards.size(0) % groupSize != 0)
            throw new ArgumentException($"Rewards ({string.Join(", ", rewards.shape)}) do not fill groups of {groupSize} rows.", nameof(rewards));
        using var scope = NewDisposeScope();
        if (!rewards.isfinite().all().ToBoolean())
            throw new ArgumentException("A reward is not finite, and it would spoil its whole group.", nameof(rewards));
        var groups = HalfPrecision.Widen(rewards).view(-1, groupSize);
        var weight = counted is null ? ones_like(groups) : counted.view(-1, groupSize).to(groups.dtype);
        var count = weight.sum(1, keepdim: true);
        var centred = (groups - (groups * weight).sum(1, keepdim: true) / count.clamp(min: 1)) * weight;
        if (dividesByDeviation)
            centred = centred / (((centred * centred).sum(1, keepdim: true) / (count - 1).clamp(min: 1)).sqrt() + Tiny);
        return Clipping.Clip(centred.view(-1), clip).MoveToOuterDisposeScope();
    }
}
