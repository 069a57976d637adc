namespace LmKit;

/// <summary>What a guard thinks of a distillation.</summary>
public enum GuardVerdict
{
    /// <summary>It goes on.</summary>
    Continue,

    /// <summary>The samples' entropy has fallen too far below the teacher's: modes collapse.</summary>
    EntropyFell,

    /// <summary>The n-gram divergence from the reference has stopped falling.</summary>
    DivergenceStalled,
}
