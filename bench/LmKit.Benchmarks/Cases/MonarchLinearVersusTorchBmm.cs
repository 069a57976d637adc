using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>The Monarch linear, forward and backward, against the two batched products with copied permutations and against the same
/// map as a dense layer.</summary>
internal static class MonarchLinearVersusTorchBmm
{
    private const int Blocks = 4;

    // Against bmm the product is the same library operations in another order of copies: parity is what it owes, and it falls short by a little.
    public static IReadOnlyList<RatioCase> Cases { get; } =
    [
        .. Both(768, 192, 768),
        .. Both(768, 768, 192),
        .. Both(4096, 192, 768),
        .. Both(4096, 768, 192),
    ];

    private static IEnumerable<RatioCase> Both(long rows, long inFeatures, long outFeatures)
    {
        var sizes = $"rows {rows}, {inFeatures} to {outFeatures}, nb {Blocks}, forward and backward";
        yield return new($"Monarch linear vs torch bmm: {sizes}", Target: 1.0, TunedTarget: 1.0, random => Prepare(random, rows, inFeatures, outFeatures, isDense: false));
        yield return new($"Monarch linear vs torch dense linear: {sizes}", Target: 1.3, TunedTarget: 1.3, random => Prepare(random, rows, inFeatures, outFeatures, isDense: true));
    }

    private static RatioSides Prepare(Generator random, long rows, long inFeatures, long outFeatures, bool isDense)
    {
        var linear = new MonarchLinear(
            new MonarchOptions { BlockCount = Blocks },
            new LinearSite("fc", 0, inFeatures, outFeatures, true, 0.02, new ParameterFactory(random)));
        var x = randn(rows, inFeatures, generator: random).requires_grad_();
        var gradient = randn(rows, outFeatures, generator: random);
        var (first, second, bias) = (linear.get_parameter("blkdiag1")!, linear.get_parameter("blkdiag2")!, linear.get_parameter("bias")!);
        var dense = linear.ToDense().requires_grad_();
        Func<Tensor[]> baseline = isDense
            ? () => Both(nn.functional.linear(x, dense, bias), dense)
            : () => Both(Multiplied(x, first, second) + bias, first, second);
        return new RatioSides(baseline, () => isDense ? Both(linear.call(x)) : Both(linear.call(x), first, second), linear, x, gradient, dense);

        // Backward reaches every weight on both sides; compared are the gradients that both sides have.
        Tensor[] Both(Tensor y, params Tensor[] weights)
        {
            var wanted = isDense && weights.Length == 0 ? [first, second] : weights;
            var gradients = autograd.grad([y], [x, bias, .. wanted], [gradient]);
            return isDense ? [y.detach(), gradients[0], gradients[1]] : [y.detach(), .. gradients];
        }
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
