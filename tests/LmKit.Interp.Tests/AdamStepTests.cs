using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
[Trait("Category", "Kernel")]
public class AdamStepTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(19)]
    [InlineData(200_003)]
    public void The_pass_over_memory_takes_the_steps_of_the_operations(long length)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        var adam = new AdamStep(3e-3, 0.9, 0.99, 1e-8);
        var (fast, slow) = (Start(), Start());
        for (var count = 1; count <= 4; count++)
        {
            var gradient = randn([length], generator: random) * 0.1;
            adam.Take(fast[0], gradient, fast[1], fast[2], count);
            using (KernelSelection.Use(KernelChoice.Reference))
                adam.Take(slow[0], gradient, slow[1], slow[2], count);
        }
        foreach (var (name, index) in new[] { ("parameter", 0), ("first", 1), ("second", 2) })
            Close.Check(name, slow[index], fast[index], absolute: index == 0 ? 1e-6 : 1e-8, relative: 1e-5);

        Tensor[] Start() => [ones(length), zeros(length), zeros(length)];
    }

    [Fact]
    public void Threads_move_no_bit_and_the_norm_is_that_of_float64()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        var gradient = randn([300_001], generator: random);
        var adam = new AdamStep(3e-3, 0.9, 0.99, 1e-8);
        var one = Step(1, out var first);
        var two = Step(2, out var second);
        Close.Check("parameter", one, two);
        Assert.Equal(first, second);
        Assert.Equal(Math.Sqrt(gradient.to(ScalarType.Float64).square().sum().item<double>() + 4), first, 1e-9);

        Tensor Step(int threads, out double norm)
        {
            var before = get_num_threads();
            set_num_threads(threads);
            try
            {
                var parameter = ones(300_001);
                adam.Take(parameter, gradient, zeros(300_001), zeros(300_001), 1);
                norm = GradientNorm.Of([gradient, full([1], 2.0, ScalarType.Float64)]);
                return parameter;
            }
            finally
            {
                set_num_threads(before);
            }
        }
    }

    [Fact]
    public void A_backward_pass_over_a_parameter_that_was_stepped_since_is_refused()
    {
        using var scope = NewDisposeScope();
        var parameter = ones(40).requires_grad_();
        var loss = parameter.square().sum();
        new AdamStep(3e-3, 0.9, 0.99, 1e-8).Take(parameter, ones(40), zeros(40), zeros(40), 1);
        Assert.Contains("modified by an inplace operation", Assert.ThrowsAny<Exception>(() => loss.backward()).Message, StringComparison.Ordinal);
    }
}
