using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>The long convolution with two threads (ours) against the same with one (baseline).</summary>
/// <remarks>Both spend the processor time of one computation, so the clock alone is held to the target.</remarks>
internal static class FlashConvTwoThreadsVersusOne
{
    private const long batch = 4;
    private const long channels = 64;

    internal static IReadOnlyList<RatioCase> Cases { get; } = [Case(2048), Case(8192)];

    private static RatioCase Case(long length) =>
        new($"long convolution, two threads vs one, forward H={channels} L={length} B={batch}", 1.8, 1.8, random => Prepare(random, length))
        {
            CountsWallOnly = true,
            LeastProcessors = 2,
        };

    private static RatioSides Prepare(Generator random, long length)
    {
        var u = randn([batch, channels, 1, length], generator: random);
        var kernel = randn([channels, length], generator: random) / Math.Sqrt(length);
        return new RatioSides(() => Convolve(threads: 1), () => Convolve(threads: 2), u, kernel);

        Tensor[] Convolve(int threads)
        {
            var before = get_num_threads();
            set_num_threads(threads);
            try
            {
                return [FlashConv.Convolve(u, kernel)];
            }
            finally
            {
                set_num_threads(before);
            }
        }
    }
}
