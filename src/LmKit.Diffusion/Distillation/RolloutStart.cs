namespace LmKit;

/// <summary>Where a student's rollout starts.</summary>
public enum RolloutStart
{
    /// <summary>A sequence of masks.</summary>
    Masks,

    /// <summary>Reference rows, corrupted at the first of the rollout's times.</summary>
    Data,
}
