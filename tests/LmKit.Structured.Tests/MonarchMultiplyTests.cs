using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Structured.Tests;

[NoTensorLeak]
public class MonarchMultiplyTests
{
    private const double Tolerance = 1e-12; // float64, sums of at most 144 products

    [Fact]
    public void The_product_equals_the_matrix_of_its_slices_for_200_random_shapes()
    {
        var random = new Random(7);
        for (var trial = 0; trial < 200; trial++)
        {
            using var scope = NewDisposeScope();
            var (k, q, p, s) = (random.Next(1, 13), random.Next(1, 13), random.Next(1, 13), random.Next(1, 13));
            var divisors = Enumerable.Range(1, k * q).Where(divisor => k * q % divisor == 0).ToArray();
            var l = divisors[random.Next(divisors.Length)];
            using var values = new Generator((ulong)trial);
            var first = randn([k, q, p], ScalarType.Float64, generator: values);
            var second = randn([l, s, k * q / l], ScalarType.Float64, generator: values);
            var x = randn([3, k * p], ScalarType.Float64, generator: values);
            var dense = Slices(first, second);

            Close.Check($"({k}, {q}, {p}), {l}: matrix", dense, MonarchMultiply.ToDense(first, second), absolute: Tolerance);
            Close.Check($"({k}, {q}, {p}), {l}: product", x.mm(dense.t()), MonarchMultiply.Apply(x, first, second), relativeToLargest: Tolerance);
        }
    }

    [Theory]
    [InlineData(4, 6, 6, 3, 5)]
    [InlineData(4, 9, 6, 6, 5)]
    [InlineData(1, 8, 5, 4, 7)]
    public void Gradients_agree_with_central_differences(long k, long q, long p, long l, long s)
    {
        using var scope = NewDisposeScope();
        using var values = new Generator(3);
        var x = randn([2, 2, k * p], ScalarType.Float64, generator: values).requires_grad_();
        var first = randn([k, q, p], ScalarType.Float64, generator: values).requires_grad_();
        var second = randn([l, s, k * q / l], ScalarType.Float64, generator: values).requires_grad_();

        GradientCheck.Check(() => MonarchMultiply.Apply(x, first, second), [("x", x), ("first", first), ("second", second)]);
    }

    [Fact]
    public void An_expanded_gradient_is_taken()
    {
        using var scope = NewDisposeScope();
        using var values = new Generator(3);
        var first = randn([2, 4, 3], ScalarType.Float64, generator: values).requires_grad_();
        var second = randn([2, 5, 4], ScalarType.Float64, generator: values);
        var x = randn([7, 6], ScalarType.Float64, generator: values);

        var summed = autograd.grad([MonarchMultiply.Apply(x, first, second).sum()], [first])[0];
        var weighted = autograd.grad([(MonarchMultiply.Apply(x, first, second) * ones(7, 10, dtype: ScalarType.Float64)).sum()], [first])[0];

        Close.Check("gradient", weighted, summed, absolute: Tolerance);
    }

    [Fact]
    public void Factors_and_inputs_that_do_not_fit_are_refused_by_shape()
    {
        using var scope = NewDisposeScope();

        var factors = Assert.Throws<ArgumentException>(() => MonarchMultiply.Apply(zeros(2, 12), zeros(4, 5, 3), zeros(3, 2, 7)));
        Assert.Contains("(4, 5, 3)", factors.Message, StringComparison.Ordinal);
        Assert.Contains("(3, 2, 7)", factors.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => MonarchMultiply.Apply(zeros(2, 12), zeros(20, 3), zeros(4, 2, 5)));
        var width = Assert.Throws<ArgumentException>(() => MonarchMultiply.Apply(zeros(2, 11), zeros(4, 5, 3), zeros(4, 2, 5)));
        Assert.Contains("(..., 12)", width.Message, StringComparison.Ordinal);
    }

    // M[d l + e, c p + b] = sum over m in block c with m mod l = e of L[e, d, m / l] R[c, m mod q, b].
    private static Tensor Slices(Tensor first, Tensor second)
    {
        var (k, q, p) = (first.size(0), first.size(1), first.size(2));
        var (l, s, r) = (second.size(0), second.size(1), second.size(2));
        var R = first.contiguous().data<double>().ToArray();
        var L = second.contiguous().data<double>().ToArray();
        var M = new double[l * s * k * p];
        for (long m = 0; m < k * q; m++)
        {
            var (c, e) = (m / q, m % l);
            for (long d = 0; d < s; d++)
            {
                for (long b = 0; b < p; b++)
                    M[(d * l + e) * k * p + c * p + b] += L[(e * s + d) * r + m / l] * R[(c * q + m % q) * p + b];
            }
        }
        return tensor(M, [l * s, k * p]);
    }
}
