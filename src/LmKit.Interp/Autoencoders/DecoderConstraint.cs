namespace LmKit;

/// <summary>What training keeps true of the decoder.</summary>
public enum DecoderConstraint
{
    /// <summary>Nothing.</summary>
    Free,

    /// <summary>Rows are scaled to norm 1 and the gradient along them removed, before each optimizer step (Lee et al. 2025).</summary>
    UnitRowsBeforeStep,

    /// <summary>The gradient along the rows is removed before, and rows scaled to norm 1 after each optimizer step.</summary>
    UnitRows,
}
