using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The Fourier transform as two small matrix products (Monarch): t = n1 N2 + n2, frequency k1 + N1 k2.</summary>
/// <remarks>For hardware that multiplies matrices fast. Frequencies stay in (k1, k2) order, so a convolution permutes nothing.
/// Results belong to the caller's dispose scope.</remarks>
/// <param name="Rows">N1.</param>
/// <param name="Columns">N2.</param>
/// <exception cref="ArgumentOutOfRangeException">A size is below 1, or the transform has more than 2^40 points.</exception>
public sealed record MonarchFft(long Rows, long Columns)
{
    /// <summary>N1.</summary>
    public long Rows { get; init => field = Checked(value, nameof(Rows)); } = Checked(Rows, nameof(Rows));

    /// <summary>N2.</summary>
    public long Columns { get; init => field = Checked(value, nameof(Columns)); } = Checked(Columns, nameof(Columns));

    /// <summary>Y = F_N1 X with X the signal as an N1 x N2 matrix.</summary>
    /// <param name="x">(..., N1 N2), real or complex.</param>
    /// <returns>(..., N1, N2) complex.</returns>
    public Tensor FirstStage(Tensor x)
    {
        Check(x, nameof(x), "... N");
        using var scope = NewDisposeScope();
        var matrix = Complex(x).reshape([.. x.shape[..^1], Rows, Columns]);
        return einsum("kn,...nm->...km", Fourier(Rows, Rows, Rows, matrix, -1), matrix).MoveToOuterDisposeScope();
    }

    /// <summary>Y[k1, n2] e^(-2 pi i k1 n2 / N).</summary>
    public Tensor Twiddle(Tensor y)
    {
        Check(y, nameof(y), "... N1 N2");
        using var scope = NewDisposeScope();
        return (y * Fourier(Rows, Columns, Size, y, -1)).MoveToOuterDisposeScope();
    }

    /// <summary>Z = Y F_N2.</summary>
    public Tensor SecondStage(Tensor y)
    {
        Check(y, nameof(y), "... N1 N2");
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
        Check(z, nameof(z), "... N1 N2");
        using var scope = NewDisposeScope();
        var y = einsum("...kn,nm->...km", z, Fourier(Columns, Columns, Columns, z, 1)) * Fourier(Rows, Columns, Size, z, 1);
        var x = einsum("nk,...km->...nm", Fourier(Rows, Rows, Rows, z, 1), y) / (double)Size;
        return x.reshape([.. z.shape[..^2], Size]).MoveToOuterDisposeScope();
    }

    /// <summary>Frequencies in natural order.</summary>
    /// <param name="z">(..., N1, N2).</param>
    /// <returns>(..., N1 N2).</returns>
    public Tensor Natural(Tensor z)
    {
        Check(z, nameof(z), "... N1 N2");
        using var scope = NewDisposeScope();
        return z.transpose(-1, -2).reshape([.. z.shape[..^2], Size]).MoveToOuterDisposeScope();
    }

    /// <summary>y_t = sum over j of k_j x_(t-j), both padded to N, which must be at least the sum of their lengths less 1.</summary>
    /// <param name="x">(..., L) real.</param>
    /// <param name="kernel">(..., K) real.</param>
    /// <returns>(..., L).</returns>
    public Tensor Convolve(Tensor x, Tensor kernel)
    {
        var check = new TensorCheck(nameof(MonarchFft));
        check.Floating(x, nameof(x), "... L");
        check.Floating(kernel, nameof(kernel), "... K");
        RequireWide(x, nameof(x));
        if (x.dim() > 1 && kernel.dim() > 1 && !Broadcasts(x.shape.AsSpan()[..^1], kernel.shape.AsSpan()[..^1]))
            throw new ArgumentException($"The leading axes of x ({string.Join(", ", x.shape)}) and the kernel ({string.Join(", ", kernel.shape)}) are not alike.", nameof(kernel));
        var size = Size;
        if (Math.Max(x.size(-1) + kernel.size(-1) - 1, Math.Max(x.size(-1), kernel.size(-1))) > size)
            throw new ArgumentException($"A convolution of {x.size(-1)} samples with {kernel.size(-1)} taps would wrap around a transform of {size}; take a larger one.", nameof(x));
        using var scope = NewDisposeScope();
        var spectrum = Transform(nn.functional.pad(x, [0, size - x.size(-1)])) * Transform(nn.functional.pad(kernel, [0, size - kernel.size(-1)]));
        return Inverse(spectrum).real.narrow(-1, 0, x.size(-1)).MoveToOuterDisposeScope();
    }

    private static long Checked(long size, string name) =>
        size is >= 1 and <= 1 << 20 ? size : throw new ArgumentOutOfRangeException(name, size, "A side of the transform is 1 to 2^20.");

    private long Size => checked(Rows * Columns);

    // Complex numbers, or real ones of float32 or float64.
    private void Check(Tensor tensor, string name, string shape)
    {
        var check = new TensorCheck($"A {Rows} x {Columns} {nameof(MonarchFft)}");
        check.Bind("N", Size);
        check.Bind("N1", Rows);
        check.Bind("N2", Columns);
        check.Any(tensor, name, shape);
        if (!tensor.is_complex())
            RequireWide(tensor, name);
    }

    private static void RequireWide(Tensor tensor, string name)
    {
        if (tensor.dtype is not (ScalarType.Float32 or ScalarType.Float64))
            throw new ArgumentException($"{nameof(MonarchFft)} takes {name} in float32, float64 or their complex types; got {tensor.dtype}.", name);
    }

    private static bool Broadcasts(ReadOnlySpan<long> first, ReadOnlySpan<long> second)
    {
        for (var back = 1; back <= Math.Min(first.Length, second.Length); back++)
        {
            var (a, b) = (first[^back], second[^back]);
            if (a != b && a != 1 && b != 1)
                return false;
        }
        return true;
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
