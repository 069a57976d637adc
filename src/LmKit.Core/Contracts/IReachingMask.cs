namespace LmKit;

/// <summary>A causal mask whose whole meaning is three numbers, so that a token's step over a cache needs no mask tensors.</summary>
/// <remarks>Such a mask attends over keys that are encoded already, as over keys that are not
/// (<see cref="AttentionInput.HasEncodedKeys"/>).</remarks>
internal interface IReachingMask
{
    /// <summary>The three numbers.</summary>
    MaskReach Reach { get; }
}
