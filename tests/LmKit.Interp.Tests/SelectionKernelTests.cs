using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
[Trait("Category", "Kernel")]
public class SelectionKernelTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(17)]
    [InlineData(100)]
    [InlineData(1031)]
    public void The_largest_of_a_row_are_those_of_the_reference_with_the_lower_index_among_equals(int width)
    {
        foreach (var count in new[] { 1, 2, 5, width / 2, width - 1 }.Where(count => count > 0 && count < width))
        {
            using var scope = NewDisposeScope();
            using var random = new Generator((ulong)count);
            Tensor[] cases =
            [
                randn([5, width], generator: random),
                randn([5, width], generator: random).relu(),
                randint(0, 3, [5, width], generator: random).to(ScalarType.Float32), // hardly anything but ties
                randint(-2, 2, [5, width], generator: random).to(ScalarType.Float32),
                zeros(5, width),
                arange(width).to(ScalarType.Float32).repeat(3, 1),
                -arange(width).to(ScalarType.Float32).repeat(3, 1),
                randn([5, width], generator: random).masked_fill(rand([5, width], generator: random).lt(0.7), double.NegativeInfinity),
                randn([5, width], generator: random).masked_fill(rand([5, width], generator: random).lt(0.3), double.PositiveInfinity),
                randn([width, 5], generator: random).t(),
            ];
            for (var index = 0; index < cases.Length; index++)
            {
                Assert.NotNull(FeatureSelection.Cpu(cases[index], count));
                Same($"case {index}, {count} of {width}", FeatureSelection.Reference(cases[index], count), FeatureSelection.Largest(cases[index], count));
            }
        }
    }

    [Fact]
    public void A_row_with_NaN_is_left_to_the_reference()
    {
        using var scope = NewDisposeScope();
        foreach (var place in new[] { 0, 99, 199, 202 })
        {
            var values = randn(3, 203);
            values.narrow(0, 1, 1).narrow(1, place, 1).fill_(double.NaN);
            Assert.Null(FeatureSelection.Cpu(values, 3));
            Same($"NaN at {place}", FeatureSelection.Reference(values, 3), FeatureSelection.Largest(values, 3));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(64)]
    [InlineData(777)]
    public void Top_AFA_chooses_without_sorting_what_the_sort_chooses(int width)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(5);
        var some = rand([40, 1], generator: random) * 1.5;
        foreach (var (name, values, norms) in new[]
        {
            ("random", randn([40, width], generator: random).relu(), rand([width], generator: random) + 0.5),
            ("skewed", randn([40, width], generator: random).mul(4).exp(), ones(width)),
            ("ties", randint(0, 4, [40, width], generator: random).to(ScalarType.Float32), ones(width)),
            ("equal", ones(40, width), ones(width)),
            ("zeros", zeros(40, width), ones(width)),
            ("tiny", rand([40, width], generator: random) * 1e-15, ones(width)),
        })
        {
            var total = (values * norms).norm(1, keepdim: true);
            foreach (var target in new[] { total * some, total, zeros_like(total), total + 10, floor(total * some) })
            {
                foreach (var (least, most) in new[] { (1L, 0L), (3L, 0L), (1L, 2L), (0L, 0L), (width + 5L, 0L) })
                {
                    var wanted = target.squeeze(1);
                    Assert.NotNull(TopAfaSelection.Cpu(values, norms, wanted, least, most));
                    var expected = TopAfaSelection.Reference(values, norms, wanted, false, least, most, 0).Counts;
                    var actual = TopAfaSelection.Choose(values, norms, wanted, minCount: least, maxCount: most);
                    if (name is "ties" or "equal" or "zeros")
                        Close.Check($"{name}, counts, {least} to {most}", expected, actual.Counts);
                    else
                        CheckNearness($"{name}, {least} to {most}", values * norms, wanted, expected, actual.Counts);
                    var (_, order) = (values * norms).square().sort(1, descending: true, stable: true);
                    var mask = zeros([40, width], ScalarType.Bool).scatter(1, order, arange(width).unsqueeze(0).lt(actual.Counts.unsqueeze(1)));
                    Same($"{name}, mask, {least} to {most}", mask, actual.Mask);
                }
            }
        }
    }

    [Fact]
    public void Masses_and_targets_that_are_not_finite_are_left_to_the_sort()
    {
        using var scope = NewDisposeScope();
        var values = ones(2, 6);
        values.narrow(1, 3, 1).fill_(1e30); // its square is not finite
        Assert.Null(TopAfaSelection.Cpu(values, ones(6), ones(2), 1, 0));
        var expected = TopAfaSelection.Reference(values, ones(6), ones(2), false, 1, 0, 0);
        Same("mask", expected.Mask, TopAfaSelection.Choose(values, ones(6), ones(2)).Mask);
        var nothing = full([2], double.NaN);
        Same("no target", TopAfaSelection.Reference(ones(2, 6), ones(6), nothing, false, 1, 0, 0).Mask, TopAfaSelection.Choose(ones(2, 6), ones(6), nothing).Mask);
    }

    // Another count than the float32 sums of the sort give must be as near to the target, up to their roundings; few rows have one.
    private static void CheckNearness(string name, Tensor roots, Tensor target, Tensor expected, Tensor actual)
    {
        Assert.InRange(expected.ne(actual).sum().item<long>(), 0, 20);
        var norms = roots.to(ScalarType.Float64).square().sort(1, descending: true).Values.cumsum(1).sqrt();
        var wanted = target.to(ScalarType.Float64).unsqueeze(1);
        Tensor Distance(Tensor counts) => (norms.gather(1, (counts - 1).unsqueeze(1)) - wanted).abs();
        Close.Check(name, zeros_like(wanted), (Distance(expected) - Distance(actual)) / wanted.clamp_min(1e-30), absolute: 3e-6);
    }

    private static void Same(string name, Tensor expected, Tensor actual) => Close.Check(name, expected.to(ScalarType.Byte), actual.to(ScalarType.Byte));
}
