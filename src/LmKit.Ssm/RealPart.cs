namespace LmKit;

/// <summary>How the trained tensor p gives the real part of a diagonal state matrix, Re a = -f(p).</summary>
public enum RealPart
{
    /// <summary>f = e^p, always a decay: the default.</summary>
    Exp,

    /// <summary>f = p itself; nothing keeps it positive in training.</summary>
    None,

    /// <summary>f = max(p, 0) + 0.0001.</summary>
    Relu,

    /// <summary>f = 1 / (1 + e^-p), below 1.</summary>
    Sigmoid,

    /// <summary>f = ln(1 + e^p).</summary>
    Softplus,
}
