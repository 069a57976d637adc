using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The initial diagonal state matrix A, N/2 conjugate pairs a_j (S4D, Gu et al. 2022).</summary>
public enum DiagonalInitialization
{
    /// <summary>-1/2 + i pi j: the default of H3.</summary>
    Lin,

    /// <summary>-1/2 + i (N/pi) (N/(2j + 1) - 1).</summary>
    Inv,

    /// <summary>-1/2 + i (N/pi) (N/(j + 1) - 1).</summary>
    Inv2,

    /// <summary>-1/2 + i (2j + 1)^2 / pi.</summary>
    Quad,

    /// <summary>-(1 + j), without an imaginary part.</summary>
    Real,

    /// <summary>-1/2 + i w_j, w the negative half of the spectrum of the normal part of HiPPO-LegS.</summary>
    Legs,

    /// <summary>The first half of the heads as <see cref="Inv"/>, the others as <see cref="Lin"/>; the head count must be even.</summary>
    Mixed,
}

/// <summary>The initial state matrices of <see cref="DiagonalInitialization"/> as numbers.</summary>
internal static class DiagonalMatrix
{
    /// <summary>Real and imaginary parts (H, n) float64 of the stored half of the spectrum, n = N/2.</summary>
    internal static (Tensor Real, Tensor Imaginary) Create(DiagonalInitialization initialization, long headCount, long stateDim)
    {
        if (initialization != DiagonalInitialization.Mixed)
        {
            var (re, im) = Row(initialization, stateDim);
            return (re.expand(headCount, -1), im.expand(headCount, -1));
        }
        var first = Create(DiagonalInitialization.Inv, headCount / 2, stateDim);
        var second = Create(DiagonalInitialization.Lin, headCount / 2, stateDim);
        return (cat([first.Real, second.Real], 0), cat([first.Imaginary, second.Imaginary], 0));
    }

    private static (Tensor Real, Tensor Imaginary) Row(DiagonalInitialization initialization, long stateDim)
    {
        var j = arange(stateDim / 2, dtype: ScalarType.Float64); // (n)
        var half = full_like(j, -0.5);
        double N = stateDim;
        return initialization switch
        {
            DiagonalInitialization.Lin => (half, j * Math.PI),
            DiagonalInitialization.Inv => (half, (N / (2 * j + 1) - 1) * (N / Math.PI)),
            DiagonalInitialization.Inv2 => (half, (N / (j + 1) - 1) * (N / Math.PI)),
            DiagonalInitialization.Quad => (half, (2 * j + 1).square() / Math.PI),
            DiagonalInitialization.Real => (-(j + 1), zeros_like(j)),
            DiagonalInitialization.Legs => (half, LegsFrequencies(stateDim)),
            _ => throw new ArgumentOutOfRangeException(nameof(initialization), initialization, "Unknown state matrix."),
        };
    }

    // A + b b^T / 2 + I / 2 of HiPPO-LegS is skew, S: its eigenvalues are i w with w those of the Hermitian -i S.
    private static Tensor LegsFrequencies(long stateDim)
    {
        var b = (2 * arange(stateDim, dtype: ScalarType.Float64) + 1).sqrt();
        var lower = outer(b, b).tril(-1) * -0.5;
        var skew = lower - lower.t();
        var hermitian = complex(zeros_like(skew), -skew);
        return linalg.eigvalsh(hermitian).narrow(0, 0, stateDim / 2);
    }
}
