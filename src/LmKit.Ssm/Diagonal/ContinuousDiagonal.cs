using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A diagonal state space before discretisation, x' = A x + B u, y = 2 Re(C x), as float64 numbers of each head.</summary>
/// <param name="TimeStep">dt (H, 1).</param>
/// <param name="Real">Re a (H, n).</param>
/// <param name="Imaginary">Im a (H, n).</param>
/// <param name="B">(H, n).</param>
/// <param name="C">(H, n).</param>
/// <param name="Dtype">Dtype in which sequences are computed.</param>
internal sealed record ContinuousDiagonal(Tensor TimeStep, Tensor Real, Tensor Imaginary, ComplexPair B, ComplexPair C, ScalarType Dtype)
{
    // Added to |x|^2 in the reciprocal of DSS, as in the published code.
    private const double ReciprocalFloor = 1e-7;

    /// <summary>Rows in turn for heads that share state matrices: head h takes row h mod S.</summary>
    internal static Tensor Tile(Tensor rows, long headCount) =>
        rows.size(0) == headCount ? rows : rows.repeat([headCount / rows.size(0), .. Enumerable.Repeat(1L, (int)rows.dim() - 1)]);

    /// <summary>Without imaginary parts, and with states silenced that turn too fast, where the options say so.</summary>
    internal ContinuousDiagonal Restrict(DiagonalSsmOptions options)
    {
        var imaginary = options.IsReal ? Imaginary * 0 : Imaginary; // still part of the graph, with gradient zero
        if (options.BandLimit is not { } limit)
            return this with { Imaginary = imaginary };
        var keeps = (TimeStep * imaginary.abs()).lt(Math.PI * limit).to(ScalarType.Float64);
        return this with { Imaginary = imaginary, C = C.Scale(keeps) };
    }

    /// <summary>The recurrence.</summary>
    /// <param name="discretization">How.</param>
    /// <param name="kernelLength">For <see cref="Discretization.Dss"/>, the length of the kernel that is wanted; 0 for a recurrence.</param>
    /// <exception cref="NotSupportedException">A recurrence of <see cref="Discretization.Dss"/> is asked for.</exception>
    internal DiscreteDiagonal Discretize(Discretization discretization, long kernelLength = 0)
    {
        var (x, y) = (TimeStep * Real, TimeStep * Imaginary); // z = dt a
        if (discretization == Discretization.Bilinear)
            return Bilinear(x, y);
        // e^z - 1 without cancellation.
        var rise = new ComplexPair(x.expm1() * y.cos() - 2 * (y / 2).sin().square(), x.exp() * y.sin());
        if (discretization == Discretization.Zoh)
            return new DiscreteDiagonal(new ComplexPair(x, y), B.Times(rise.Over(new ComplexPair(Real, Imaginary))), C, Dtype);
        if (kernelLength <= 0)
            throw new NotSupportedException("disc = dss has a kernel but no recurrence, so it breaks the cut law: no state can be carried. Choose zoh or bilinear.");
        var last = new ComplexPair(x * kernelLength, y * kernelLength).Exp();
        var span = new ComplexPair(Real, Imaginary).Times(new ComplexPair(last.Real - 1, last.Imaginary));
        var size = span.Real.square() + span.Imaginary.square() + ReciprocalFloor;
        var reciprocal = new ComplexPair(span.Real / size, span.Imaginary.neg() / size);
        // Its kernel is Re, not 2 Re.
        var halved = B.Times(rise).Times(reciprocal);
        return new DiscreteDiagonal(new ComplexPair(x, y), new ComplexPair(halved.Real / 2, halved.Imaginary / 2), C, Dtype);
    }

    private DiscreteDiagonal Bilinear(Tensor x, Tensor y)
    {
        // ln((1 + z/2) / (1 - z/2)), principal: |1 + z/2|^2 - |1 - z/2|^2 = 2x and (1 + z/2)(1 - conj(z)/2) = 1 - |z|^2/4 + iy.
        var (s, p) = (1 - x / 2, y / 2);
        var square = s.square() + p.square(); // |1 - z/2|^2
        var growth = (2 * x / square).clamp(min: -1 + 1e-15).log1p() / 2;
        var angle = atan2(y, 1 - (x.square() + y.square()) / 4);
        var scale = TimeStep / square;
        return new DiscreteDiagonal(new ComplexPair(growth, angle), B.Times(new ComplexPair(s * scale, p * scale)), C, Dtype);
    }
}

/// <summary>How a continuous diagonal state space becomes a recurrence with time step dt; z = dt a.</summary>
public enum Discretization
{
    /// <summary>(1 + z/2) / (1 - z/2) and dt b / (1 - z/2): the default of H3 and of all its published checkpoints.</summary>
    Bilinear,

    /// <summary>Zero-order hold, e^z and b (e^z - 1) / a: the default of the S4D paper.</summary>
    Zoh,

    /// <summary>The kernel of DSS, normalised over its length; it has no recurrence, so no state can be carried.</summary>
    Dss,
}
