using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Approximate feature activation: |f| is near |z| for z = f D with unit rows that are nearly orthogonal (Lee et al. 2025).</summary>
/// <remarks>With epsilon the largest |u_i . u_j|, | |z|^2 - |f|^2 | &lt;= epsilon (h - 1) |f|^2. The lower bound on epsilon per input is
/// NaN for an empty code of a zero input and infinite for an empty code of any other: aggregates skip and count those rows.
/// Results belong to the caller.</remarks>
public static class ActivationNorm
{
    /// <summary>| |z|^2 - |f|^2 | per row (B).</summary>
    public static Tensor Error(Tensor activations, Tensor codes)
    {
        Check(activations, codes);
        using var scope = NewDisposeScope();
        return (HalfPrecision.Widen(activations).square().sum(1) - Squares(codes)).abs().MoveToOuterDisposeScope();
    }

    /// <summary>The theorem's bound on the error: epsilon (h - 1) |f|^2 (B).</summary>
    public static Tensor ErrorBound(Tensor codes, double epsilon, long featureCount)
    {
        Check(codes);
        using var scope = NewDisposeScope();
        return (Squares(codes) * (epsilon * (featureCount - 1))).MoveToOuterDisposeScope();
    }

    /// <summary>The sharper bound with the number of active features in place of h: epsilon (max(L0, 1) - 1) |f|^2 (B).</summary>
    public static Tensor SparseErrorBound(Tensor codes, double epsilon)
    {
        Check(codes);
        using var scope = NewDisposeScope();
        var pairs = codes.ne(0).sum(1).clamp_min(1) - 1;
        return (Squares(codes) * pairs * epsilon).MoveToOuterDisposeScope();
    }

    /// <summary>eps_LBO: the smallest epsilon that can explain a row, error / ((h - 1) |f|^2) (B).</summary>
    public static Tensor LowerBound(Tensor activations, Tensor codes, long featureCount)
    {
        Check(activations, codes);
        using var scope = NewDisposeScope();
        return (Error(activations, codes) / (Squares(codes) * (featureCount - 1))).MoveToOuterDisposeScope();
    }

    /// <summary>The same with L0 - 1 in place of h - 1; rows with one active feature give an infinity or NaN (B).</summary>
    public static Tensor SparseLowerBound(Tensor activations, Tensor codes)
    {
        Check(activations, codes);
        using var scope = NewDisposeScope();
        return (Error(activations, codes) / (Squares(codes) * (codes.ne(0).sum(1) - 1))).MoveToOuterDisposeScope();
    }

    /// <summary>The band of |f| that |z| allows for c = epsilon (h - 1): |z| / sqrt(1 + c) and |z| / sqrt(1 - c), infinite from c = 1 on.</summary>
    /// <param name="norms">|z| (B).</param>
    /// <param name="c">The constant.</param>
    public static (Tensor Lower, Tensor Upper) Band(Tensor norms, double c)
    {
        new TensorCheck(nameof(ActivationNorm)).Floating(norms, nameof(norms), "...");
        return (norms * Math.Sqrt(1 / (1 + c)), norms * (c < 1 ? Math.Sqrt(1 / (1 - c)) : double.PositiveInfinity));
    }

    /// <summary>The exact |z|^2 - |f|^2 of each row (B), from the atoms themselves: a^T (G - 1) a over unit rows.</summary>
    /// <param name="codes">Codes (B, F).</param>
    /// <param name="atoms">Atoms (F, D) of any length; codes are rescaled to unit rows.</param>
    public static Tensor ExactGap(Tensor codes, Tensor atoms)
    {
        var check = new TensorCheck(nameof(ActivationNorm));
        check.Floating(codes, nameof(codes), "B F");
        check.Floating(atoms, nameof(atoms), "F D");
        using var scope = NewDisposeScope();
        var (wide, directions) = (HalfPrecision.Widen(codes), HalfPrecision.Widen(atoms));
        return (wide.mm(directions).square().sum(1) - Squares(wide * directions.norm(1))).MoveToOuterDisposeScope();
    }

    /// <summary>The least epsilon of any h unit vectors in d dimensions (Welch): sqrt((h - d) / (d (h - 1))); 0 when h &lt;= d.</summary>
    public static double WelchFloor(long featureCount, long modelDim) =>
        featureCount <= modelDim ? 0 : Math.Sqrt((double)(featureCount - modelDim) / ((double)modelDim * (featureCount - 1)));

    private static void Check(Tensor codes) => new TensorCheck(nameof(ActivationNorm)).Floating(codes, nameof(codes), "B F");

    private static void Check(Tensor activations, Tensor codes)
    {
        var check = new TensorCheck(nameof(ActivationNorm));
        check.Floating(activations, nameof(activations), "B D");
        check.Floating(codes, nameof(codes), "B F");
    }

    /// <summary>Whether the theorem's upper band says anything at an epsilon: epsilon (pairs - 1) must stay below 1.</summary>
    /// <param name="epsilon">Largest |cosine| between atoms.</param>
    /// <param name="activeCount">Features, or active features for the sparse form.</param>
    public static bool HasUpperBand(double epsilon, double activeCount) => epsilon * (activeCount - 1) < 1;

    private static Tensor Squares(Tensor codes) => HalfPrecision.Widen(codes).square().sum(1);
}
