using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>The Monarch linear against the two batched products with copied permutations and against the same map as a dense layer.</summary>
/// <remarks>Both sides read their factors transposed as they lie, without a copy.</remarks>
internal static class MonarchLinearVersusTorchBmm
{
    // Targets of the fused product; it has no kernel of its own yet, and what falls short stands in the table as such.
    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        .. Both(1, 512, 512, 4, bmm: 2, dense: 2.5),
        .. Both(1, 768, 3072, 4, bmm: 2, dense: 2.5),
        .. Both(1, 1024, 1024, 4, bmm: 2, dense: 2.5),
        .. Both(1, 1024, 1024, 8, bmm: 2, dense: 2.5),
        .. Both(1, 1024, 1024, 32, bmm: 2, dense: 2.5),
        .. Both(1, 4096, 4096, 4, bmm: 1.1, dense: 1.8),     // 0.9 of the 2.0 that it has fewer parameters
        .. Both(1, 4096, 4096, 64, bmm: 2, dense: 25),
        .. Both(512, 1024, 1024, 4, bmm: 1.25, dense: 1.8),
        .. Both(512, 1024, 1024, 32, bmm: 1.7, dense: 1),
        .. Both(512, 2048, 2048, 4, bmm: 1.05, dense: 1.8),
        .. Both(512, 1024, 1024, 4, bmm: 1, dense: 1.7, isTraining: true),
        .. Both(512, 1024, 1024, 32, bmm: 1, dense: 1, isTraining: true),
        .. Both(4096, 192, 768, 4, bmm: 1, dense: 2.7, isTraining: true),   // 0.85 of 3.2
        .. Both(4096, 768, 192, 4, bmm: 1, dense: 2.7, isTraining: true),
    ];

    private static IEnumerable<RatioCase> Both(long rows, long inFeatures, long outFeatures, int blocks, double bmm, double dense, bool isTraining = false)
    {
        var sizes = $"rows {rows}, {inFeatures} to {outFeatures}, nb {blocks}, {(isTraining ? "forward and backward" : "forward")}";
        yield return new($"Monarch linear vs torch bmm: {sizes}", bmm, bmm, random => Prepare(random, rows, inFeatures, outFeatures, blocks, isDense: false, isTraining));
        yield return new($"Monarch linear vs torch dense linear: {sizes}", dense, dense, random => Prepare(random, rows, inFeatures, outFeatures, blocks, isDense: true, isTraining));
    }

    private static RatioSides Prepare(Generator random, long rows, long inFeatures, long outFeatures, int blocks, bool isDense, bool isTraining)
    {
        var linear = new MonarchLinear(
            new MonarchOptions { BlockCount = blocks },
            new LinearSite("fc", 0, inFeatures, outFeatures, true, 0.02, new ParameterFactory(random)));
        var x = randn(rows, inFeatures, generator: random).requires_grad_();
        var gradient = randn(rows, outFeatures, generator: random);
        var (first, second, bias) = (linear.get_parameter("blkdiag1")!, linear.get_parameter("blkdiag2")!, linear.get_parameter("bias")!);
        var dense = linear.ToDense().requires_grad_();
        Func<Tensor> plain = isDense ? () => nn.functional.linear(x, dense, bias) : () => Multiplied(x, first, second) + bias;
        return new RatioSides(
            isTraining ? () => Both(plain(), isDense ? [dense] : [first, second]) : () => Frozen(plain),
            isTraining ? () => Both(linear.call(x), isDense ? [] : [first, second]) : () => Frozen(() => linear.call(x)),
            linear,
            x,
            gradient,
            dense);

        // Backward reaches every weight on both sides; compared are the gradients that both sides have.
        Tensor[] Both(Tensor y, params Tensor[] weights)
        {
            var wanted = isDense && weights.Length == 0 ? [first, second] : weights;
            var gradients = autograd.grad([y], [x, bias, .. wanted], [gradient]);
            return isDense ? [y.detach(), gradients[0], gradients[1]] : [y.detach(), .. gradients];
        }
    }

    private static Tensor[] Frozen(Func<Tensor> side)
    {
        using var frozen = no_grad();
        return [side()];
    }

    // The composition of the authors' code.
    private static Tensor Multiplied(Tensor x, Tensor first, Tensor second)
    {
        var (rows, k, p) = (x.size(0), first.size(0), first.size(2));
        var (l, r) = (second.size(0), second.size(2));
        var y = bmm(x.view(rows, k, p).transpose(0, 1), first.transpose(1, 2)).transpose(0, 1).reshape(rows, r, l).transpose(1, 2).contiguous(); // (B, l, r)
        var z = bmm(y.transpose(0, 1), second.transpose(1, 2)).transpose(0, 1); // (B, l, s)
        return z.transpose(1, 2).reshape(rows, -1);
    }
}
