namespace LmKit;

/// <summary>What self-distillation through time minimises at masked positions.</summary>
public enum SdttDivergence
{
    /// <summary>KL(student || target), the published default.</summary>
    StudentToTarget,

    /// <summary>KL(target || student). It cannot improve a calibrated teacher, whose own marginal is the mean of the targets.</summary>
    TargetToStudent,

    /// <summary>The squared difference of log-probabilities.</summary>
    SquaredError,

    /// <summary>The absolute difference of log-probabilities (published under the name of total variation).</summary>
    AbsoluteError,
}
