using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The Fourier transform as two small matrix products (Monarch): t = n1 N2 + n2, frequency k1 + N1 k2.</summary>
/// <remarks>For hardware that multiplies matrices fast. Frequencies stay in (k1, k2) order, so a convolution permutes nothing.
/// Results belong to the caller's dispose scope.</remarks>
/// <param name="Rows">N1.</param>
/// <param name="Columns">N2.</param>
public sealed record MonarchFft(long Rows, long Columns)
{
    /// <summary>Y = F_N1 X with X the signal as an N1 x N2 matrix.</summary>
    /// <param name="x">(..., N1 N2), real or complex.</param>
    /// <returns>(..., N1, N2) complex.</returns>
    public Tensor FirstStage(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (x.dim() == 0 || x.size(-1) != Rows * Columns)
            throw new ArgumentException($"A {Rows} x {Columns} transform takes (..., {Rows * Columns}); got ({string.Join(", ", x.shape)}).", nameof(x));
        using var scope = NewDisposeScope();
        var matrix = Complex(x).reshape([.. x.shape[..^1], Rows, Columns]);
        return einsum("kn,...nm->...km", Fourier(Rows, Rows, Rows, matrix, -1), matrix).MoveToOuterDisposeScope();
    }

    /// <summary>Y[k1, n2] e^(-2 pi i k1 n2 / N).</summary>
    public Tensor Twiddle(Tensor y)
    {
        ArgumentNullException.ThrowIfNull(y);
        using var scope = NewDisposeScope();
        return (y * Fourier(Rows, Columns, Rows * Columns, y, -1)).MoveToOuterDisposeScope();
    }

    /// <summary>Z = Y F_N2.</summary>
    public Tensor SecondStage(Tensor y)
    {
        ArgumentNullException.ThrowIfNull(y);
        using var scope = NewDisposeScope();
        return einsum("...km,mn->...kn", y, Fourier(Columns, Columns, Columns, y, -1)).MoveToOuterDisposeScope();
    }

    /// <summary>The transform, frequency k1 + N1 k2 at (k1, k2).</summary>
    /// <param name="x">(..., N1 N2).</param>
    /// <returns>(..., N1, N2) complex.</returns>
    public Tensor Transform(Tensor x)
    {
        using var scope = NewDisposeScope();
        return SecondStage(Twiddle(FirstStage(x))).MoveToOuterDisposeScope();
    }

    /// <summary>The inverse of <see cref="Transform"/>: the conjugate steps backwards, divided by N.</summary>
    /// <param name="z">(..., N1, N2) complex.</param>
    /// <returns>(..., N1 N2) complex.</returns>
    public Tensor Inverse(Tensor z)
    {
        ArgumentNullException.ThrowIfNull(z);
        using var scope = NewDisposeScope();
        var y = einsum("...kn,nm->...km", z, Fourier(Columns, Columns, Columns, z, 1)) * Fourier(Rows, Columns, Rows * Columns, z, 1);
        var x = einsum("nk,...km->...nm", Fourier(Rows, Rows, Rows, z, 1), y) / (double)(Rows * Columns);
        return x.reshape([.. z.shape[..^2], Rows * Columns]).MoveToOuterDisposeScope();
    }

    /// <summary>Frequencies in natural order.</summary>
    /// <param name="z">(..., N1, N2).</param>
    /// <returns>(..., N1 N2).</returns>
    public Tensor Natural(Tensor z)
    {
        ArgumentNullException.ThrowIfNull(z);
        using var scope = NewDisposeScope();
        return z.transpose(-1, -2).reshape([.. z.shape[..^2], Rows * Columns]).MoveToOuterDisposeScope();
    }

    /// <summary>y_t = sum over j of k_j x_(t-j), both padded to N, which must be at least the sum of their lengths less 1.</summary>
    /// <param name="x">(..., L) real.</param>
    /// <param name="kernel">(..., K) real.</param>
    /// <returns>(..., L).</returns>
    public Tensor Convolve(Tensor x, Tensor kernel)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(kernel);
        var size = Rows * Columns;
        if (x.size(-1) + kernel.size(-1) - 1 > size)
            throw new ArgumentException($"A convolution of {x.size(-1)} samples with {kernel.size(-1)} taps would wrap around a transform of {size}; take a larger one.", nameof(x));
        using var scope = NewDisposeScope();
        var spectrum = Transform(nn.functional.pad(x, [0, size - x.size(-1)])) * Transform(nn.functional.pad(kernel, [0, size - kernel.size(-1)]));
        return Inverse(spectrum).real.narrow(-1, 0, x.size(-1)).MoveToOuterDisposeScope();
    }

    private static Tensor Complex(Tensor x) => x.is_complex() ? x : complex(x, zeros_like(x));

    // e^(sign 2 pi i a b / period), a below rows, b below columns; reduced exactly before the sine.
    private static Tensor Fourier(long rows, long columns, long period, Tensor like, int sign)
    {
        var turns = outer(arange(rows, dtype: ScalarType.Int64, device: like.device), arange(columns, dtype: ScalarType.Int64, device: like.device)).remainder(period);
        var angle = turns.to(ScalarType.Float64) * (sign * 2 * Math.PI / period);
        return complex(angle.cos(), angle.sin()).to(like.dtype);
    }
}
