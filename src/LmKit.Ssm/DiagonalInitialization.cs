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
