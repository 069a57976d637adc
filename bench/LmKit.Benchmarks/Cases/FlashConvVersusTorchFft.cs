using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>The fused long convolution against the library's FFT of twice the length, the skip folded into the kernel on our side
/// and a term of its own on the other.</summary>
internal static class FlashConvVersusTorchFft
{
    private const long _batch = 4;
    private const long _channels = 64;

    public static IReadOnlyList<RatioCase> Cases { get; } =
    [
        Forward(512, 3, 3),
        Forward(2048, 5, 3.5),
        Forward(8192, 5, 3.5),
        Forward(16_384, 10, 3.8),
        Forward(65_536, 10, 3.8),
        Training(1024),
        Training(2048),
        Training(8192),
    ];

    private static RatioCase Forward(long length, double target, double tuned) =>
        new($"long convolution with skip, forward H={_channels} L={length} B={_batch}", target, tuned, random => Prepare(random, length, isTraining: false));

    private static RatioCase Training(long length) =>
        new($"long convolution with skip, forward+backward H={_channels} L={length} B={_batch}", 4, 4, random => Prepare(random, length, isTraining: true));

    private static RatioSides Prepare(Generator random, long length, bool isTraining)
    {
        var u = randn([_batch, _channels, length], generator: random).requires_grad_();
        var kernel = (randn([_channels, length], generator: random) / Math.Sqrt(length)).requires_grad_();
        var skip = randn([_channels], generator: random).requires_grad_();
        return new RatioSides(() => Run(Plain), () => Run(() => LongConvolution.Convolve(u, kernel, skip)), u, kernel, skip);

        Tensor Plain()
        {
            var spectrum = fft.rfft(u, 2 * length) * fft.rfft(kernel, 2 * length);
            return fft.irfft(spectrum, 2 * length).narrow(2, 0, length) + skip.unsqueeze(-1) * u;
        }

        Tensor[] Run(Func<Tensor> convolution)
        {
            if (!isTraining)
            {
                using var frozen = no_grad();
                return [convolution()];
            }
            var y = convolution();
            return [y.detach(), .. autograd.grad([y.square().sum()], [u, kernel, skip])];
        }
    }
}
