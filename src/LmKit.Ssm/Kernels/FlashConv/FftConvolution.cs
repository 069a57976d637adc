using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Causal convolution by FFT, y_t = sum over j of K_j u_(t-j), padded so that nothing wraps around, with its own adjoint.</summary>
/// <remarks>The adjoint is dU = conj(K) G and dK = sum of conj(U) G in frequency: two real transforms where automatic
/// differentiation of rfft and irfft would take complex ones of full length. It cannot be differentiated twice.</remarks>
internal sealed class FftConvolution : autograd.SingleTensorFunction<FftConvolution>
{
    /// <inheritdoc/>
    public override string Name => nameof(FftConvolution);

    /// <summary>Convolves.</summary>
    /// <param name="u">(B, H, P, L): P signals share a head's kernel.</param>
    /// <param name="kernel">(H, Lk).</param>
    /// <returns>(B, H, P, L).</returns>
    internal static Tensor Apply(Tensor u, Tensor kernel)
    {
        using var scope = NewDisposeScope();
        var taps = Math.Min(kernel.size(1), u.size(3));
        return apply(u, kernel.size(1) == taps ? kernel : kernel.narrow(1, 0, taps)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        using var scope = NewDisposeScope();
        var (u, kernel) = ((Tensor)vars[0], (Tensor)vars[1]);
        var (length, taps) = (u.size(3), kernel.size(1));
        var size = FftLength.AtLeast(length + taps - 1);
        var spectrum = fft.rfft(u, size);                         // (B, H, P, F/2 + 1)
        var response = fft.rfft(kernel, size).unsqueeze(1);       // (H, 1, F/2 + 1)
        if (u.requires_grad || kernel.requires_grad)
        {
            // They are recorded only after this method has returned, so this scope must not end them.
            ctx.save_for_backward([spectrum.MoveToOuterDisposeScope(), response.MoveToOuterDisposeScope(), kernel]);
            spectrum = spectrum * response;
        }
        else
        {
            spectrum.mul_(response);
        }
        return fft.irfft(spectrum, size).narrow(3, 0, length).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var scope = NewDisposeScope();
        var saved = ctx.get_saved_variables();
        var (length, taps) = (grad_output.size(3), saved[2].size(1));
        var size = FftLength.AtLeast(length + taps - 1);
        var g = fft.rfft(grad_output, size);                      // (B, H, P, F/2 + 1)
        var kernelSpectrum = saved[0].conj().mul(g).sum([0, 2]);  // (H, F/2 + 1)
        var kernelGradient = fft.irfft(kernelSpectrum, size).narrow(1, 0, taps);
        g.mul_(saved[1].conj());
        var inputGradient = fft.irfft(g, size).narrow(3, 0, length);
        return [inputGradient.MoveToOuterDisposeScope(), kernelGradient.MoveToOuterDisposeScope()];
    }
}

/// <summary>Transform lengths that FFT libraries do fast.</summary>
internal static class FftLength
{
    /// <summary>The least even 2^a 3^b 5^c, b and c at most 1, that is not below a length.</summary>
    internal static long AtLeast(long length)
    {
        var best = long.MaxValue;
        foreach (var odd in (ReadOnlySpan<long>)[1, 3, 5, 15])
        {
            var candidate = 2 * odd;
            while (candidate < length)
                candidate *= 2;
            best = Math.Min(best, candidate);
        }
        return best;
    }
}
