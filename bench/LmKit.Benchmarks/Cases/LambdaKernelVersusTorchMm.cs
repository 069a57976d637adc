using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>The rate of arithmetic of attention under a Lambda mask over that of the library's matrix product, near the processor's peak: as many
/// floating point operations on either side, counted for attention as 4 P for each pair of query and key that the mask keeps. There are no results
/// to compare.</summary>
internal static class LambdaKernelVersusTorchMm
{
    private const long starts = 10;
    private const long heads = 4;
    private const long width = 64;
    private const long side = 1024;

    internal static IReadOnlyList<RatioCase> Cases { get; } = [.. new long[] { 512, 1024, 2048 }.Select(window => Rate(window, 8192))];

    private static RatioCase Rate(long window, long length) =>
        new($"Lambda kernel's GFLOP/s over torch mm's: {length} tokens, L {window}, G {starts}, {heads} heads of {width}, float32", 0.75, 0.75, random =>
        {
            var kept = 0L;
            for (var query = 0L; query < length; query++)
                kept += Math.Min(query + 1, window) + Math.Clamp(query + 1 - window, 0, starts);
            var work = 4.0 * width * heads * kept;
            var rows = (long)Math.Round(work / (2.0 * side * side));
            var (q, k, v) = (randn([1, heads, length, width], generator: random), randn([1, heads, length, width], generator: random), randn([1, heads, length, width], generator: random));
            var positions = arange(length, dtype: ScalarType.Int64).unsqueeze(0);
            var input = new AttentionInput(q, k, v, positions, positions, null, null, null);
            var mask = new LambdaMask(new LambdaMaskOptions { LocalLength = window, GlobalLength = starts });
            var (left, right) = (randn([rows, side], generator: random), randn([side, side], generator: random));
            return new RatioSides(
                () =>
                {
                    _ = left.mm(right);
                    return [];
                },
                () =>
                {
                    using var frozen = no_grad();
                    _ = mask.Attend(input);
                    return [];
                },
                q,
                k,
                v,
                positions,
                left,
                right);
        });
}
