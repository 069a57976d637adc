using static TorchSharp.torch;

namespace LmKit;

/// <summary>Complex numbers as two real tensors: libtorch's complex exponential is slow on CPU, and real ones survive <c>.to()</c>.</summary>
internal readonly record struct ComplexPair(Tensor Real, Tensor Imaginary)
{
    /// <summary>Splits a trailing axis (re, im).</summary>
    internal static ComplexPair From(Tensor pairs) => new(pairs.select(-1, 0), pairs.select(-1, 1));

    internal ComplexPair Times(ComplexPair other) => new(
        Real * other.Real - Imaginary * other.Imaginary,
        Real * other.Imaginary + Imaginary * other.Real);

    internal ComplexPair Over(ComplexPair other)
    {
        var square = other.Real.square() + other.Imaginary.square();
        return new(
            (Real * other.Real + Imaginary * other.Imaginary) / square,
            (Imaginary * other.Real - Real * other.Imaginary) / square);
    }

    internal ComplexPair Plus(ComplexPair other) => new(Real + other.Real, Imaginary + other.Imaginary);

    /// <summary>e to the power of it.</summary>
    internal ComplexPair Exp()
    {
        var size = Real.exp();
        return new(size * Imaginary.cos(), size * Imaginary.sin());
    }

    /// <summary>It times real numbers.</summary>
    internal ComplexPair Scale(Tensor factor) => new(Real * factor, Imaginary * factor);

    internal ComplexPair Unsqueeze(long axis) => new(Real.unsqueeze(axis), Imaginary.unsqueeze(axis));

    internal ComplexPair Narrow(long axis, long start, long length) => new(Real.narrow(axis, start, length), Imaginary.narrow(axis, start, length));

    /// <summary>A trailing axis (re, im).</summary>
    internal Tensor Join() => stack([Real, Imaginary], -1);
}
