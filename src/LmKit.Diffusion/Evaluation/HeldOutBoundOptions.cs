using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of measuring the bound on held-out windows.</summary>
public sealed class HeldOutBoundOptions
{
    /// <summary>Times K of a masking: one in each of K equally likely parts of what a window may have masked. Default 8.</summary>
    [Range(1, 4096)]
    public int TimeCount { get; set; } = 8;

    /// <summary>Independent maskings R of a window; from two on the error of the draws is known. A window costs K R calls of the network. Default 2.</summary>
    [Range(1, 4096)]
    public int MaskingCount { get; set; } = 2;

    /// <summary>Seed of the draws, which is the measurement's own: whatever a model was trained with, it is asked the same. Default 1.</summary>
    public ulong Seed { get; set; } = 1;
}
