using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>The fused long convolution with skip and gate, y = g . (k * u + D u), against the library's FFT of twice the length.</summary>
/// <remarks>Frozen, the baseline has its kernel's spectrum made once with the skip in it; in training both sides make spectra in every call.</remarks>
internal static class FlashConvVersusTorchFft
{
    private const long batch = 4;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        Forward(64, 512, 3, 3),
        Forward(64, 1024, 3, 3),
        Forward(64, 2048, 5, 3.5),
        Forward(64, 8192, 5, 3.5),
        Forward(64, 16_384, 10, 3.8),
        Forward(64, 65_536, 10, 3.8),
        Forward(768, 512, 3, 2.8),
        Training(1024),
        Training(2048),
        Training(8192),
    ];

    private static RatioCase Forward(long channels, long length, double target, double tuned) =>
        new($"long convolution with skip and gate vs kept spectrum, forward H={channels} L={length} B={batch}", target, tuned, random => Prepare(random, channels, length, isTraining: false));

    private static RatioCase Training(long length) =>
        new($"long convolution with skip and gate, forward+backward H=64 L={length} B={batch}", 4, 4, random => Prepare(random, 64, length, isTraining: true));

    private static RatioSides Prepare(Generator random, long channels, long length, bool isTraining)
    {
        var u = randn([batch, channels, length], generator: random).requires_grad_();
        var kernel = (randn([channels, length], generator: random) / Math.Sqrt(length)).detach().requires_grad_();
        var skip = randn([channels], generator: random).requires_grad_();
        var gate = randn([batch, channels, length], generator: random).requires_grad_();
        var upstream = randn([batch, channels, length], generator: random);
        var response = Response(kernel, skip, length);
        return new RatioSides(() => Run(isTraining ? Plain : Kept), () => Run(Fused), u, kernel, skip, gate, upstream, response);

        Tensor Kept()
        {
            using var spectrum = fft.rfft(u, 2 * length);
            using var product = spectrum.mul_(response);
            using var padded = fft.irfft(product, 2 * length);
            using var sums = padded.narrow(2, 0, length);
            return sums * gate;
        }

        Tensor Plain()
        {
            using var padded = Padded();
            using var sums = padded.narrow(2, 0, length);
            using var weight = skip.unsqueeze(-1);
            using var skipped = weight * u;
            using var ungated = sums + skipped;
            return ungated * gate;
        }

        // Temporaries are freed where reference counting would free them; what backward needs, libtorch keeps.
        Tensor Padded()
        {
            using var product = Product();
            return fft.irfft(product, 2 * length);
        }

        Tensor Product()
        {
            using var spectrum = fft.rfft(u, 2 * length);
            using var response = fft.rfft(kernel, 2 * length);
            return spectrum * response;
        }

        Tensor Fused() => FlashConv.Convolve(u.unsqueeze(2), kernel, skip, outputGate: gate.unsqueeze(2)).squeeze(2);

        Tensor[] Run(Func<Tensor> convolution)
        {
            if (!isTraining)
            {
                using var frozen = no_grad();
                return [convolution()];
            }
            var y = convolution();
            return [y.detach(), .. autograd.grad([y], [u, kernel, skip, gate], [upstream])];
        }
    }

    // The spectrum of the kernel with the skip in its first tap.
    private static Tensor Response(Tensor kernel, Tensor skip, long length)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var folded = kernel.clone();
        folded.select(1, 0).add_(skip);
        return fft.rfft(folded, 2 * length).DetachFromDisposeScope();
    }
}
