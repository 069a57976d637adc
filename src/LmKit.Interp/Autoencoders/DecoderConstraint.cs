using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

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

/// <summary>Keeps decoder rows at norm 1 during training.</summary>
public static class UnitRows
{
    /// <summary>Scales rows to norm 1 in place; zero rows stay.</summary>
    public static void Normalize(Tensor rows)
    {
        new TensorCheck(nameof(UnitRows)).Floating(rows, nameof(rows), "F D");
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var norms = HalfPrecision.Widen(rows).norm(1, keepdim: true);
        rows.div_(norms.masked_fill(norms.eq(0), 1));
    }

    /// <summary>Removes from the gradient its part along each row, in place; does nothing without a gradient.</summary>
    public static void ProjectGradient(Parameter rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        if (rows.grad is not { } gradient)
            return;
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var wide = HalfPrecision.Widen(rows);
        var squares = wide.square().sum(1, keepdim: true);
        gradient.sub_((HalfPrecision.Widen(gradient) * wide).sum(1, keepdim: true) / squares.masked_fill(squares.eq(0), 1) * wide);
    }
}
