using TorchSharp;
using static TorchSharp.torch;

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

/// <summary>Evaluates a <see cref="RealPart"/> and its inverse.</summary>
internal static class RealPartFunction
{
    private const double Least = 1e-4;

    internal static Tensor Apply(this RealPart kind, Tensor p) => kind switch
    {
        RealPart.Exp => p.exp(),
        RealPart.None => p.alias(),
        RealPart.Relu => nn.functional.relu(p) + Least,
        RealPart.Sigmoid => p.sigmoid(),
        RealPart.Softplus => nn.functional.softplus(p),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Unknown parametrisation of Re A."),
    };

    /// <summary>The parameter whose decay -Re a is given, decays below 0.0001 raised to it.</summary>
    /// <param name="kind">The parametrisation.</param>
    /// <param name="decay">The decays.</param>
    /// <param name="owner">The options' type, for the error.</param>
    /// <exception cref="ArgumentException">A sigmoid is asked for decays of 1 and above.</exception>
    internal static Tensor Invert(this RealPart kind, Tensor decay, string owner)
    {
        var f = decay.clamp(min: Least);
        if (kind == RealPart.Sigmoid && f.max().item<double>() >= 1)
            throw new ArgumentException(FormattableString.Invariant($"{owner}.{nameof(RealPart)} = {nameof(RealPart.Sigmoid)} reaches decays below 1 only; the initial matrix has {f.max().item<double>()}. Choose {nameof(RealPart.Exp)} or {nameof(RealPart.Softplus)}."));
        return kind switch
        {
            RealPart.Exp => f.log(),
            RealPart.None => f,
            RealPart.Relu => f - Least,
            RealPart.Sigmoid => (f / (1 - f)).log(),
            RealPart.Softplus => f.expm1().log(),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Unknown parametrisation of Re A."),
        };
    }
}
