using LmKit.Benchmarks.Ratios;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>The long convolution's rate of arithmetic over that of the library's matrix product, near the processor's peak: as many
/// floating point operations on either side, counted for the convolution as 10 log2 L + 20 a sample. There are no results to compare.</summary>
internal static class FlashConvVersusTorchMm
{
    private const long batch = 4;
    private const long channels = 64;
    private const long width = 1024;

    internal static IReadOnlyList<RatioCase> Cases { get; } = [.. new long[] { 512, 1024, 2048, 8192 }.Select(Rate)];

    private static RatioCase Rate(long length) =>
        new($"long convolution's GFLOP/s over torch mm's, H={channels} L={length} B={batch}", 0.6, 0.6, random => Prepare(random, length));

    private static RatioSides Prepare(Generator random, long length)
    {
        var work = (10 * Math.Log2(length) + 20) * batch * channels * length;
        var calls = (int)Math.Round(2.0 * width * width * width / work);
        var u = randn([batch, channels, 1, length], generator: random);
        var kernel = randn([channels, length], generator: random);
        var left = randn([(long)Math.Round(calls * work / (2.0 * width * width)), width], generator: random);
        var right = randn([width, width], generator: random);
        return new RatioSides(
            () =>
            {
                _ = left.mm(right);
                return [];
            },
            () =>
            {
                for (var call = 0; call < calls; call++)
                {
                    using var scope = NewDisposeScope();
                    _ = FlashConv.Convolve(u, kernel);
                }

                return [];
            },
            u,
            kernel,
            left,
            right);
    }
}
