using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Kernels;

[NoTensorLeak]
public class KernelFunctionTests
{
    [Fact]
    public void The_gradient_is_the_one_that_was_written()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new[] { 1.0, 2.0 }, requires_grad: true);

        Scaled.apply(x, 3.0).sum().backward();

        Assert.Equal([3.0, 3.0], x.grad!.data<double>().ToArray());
    }

    [Fact]
    public void An_expanded_gradient_arrives_whole()
    {
        using var scope = NewDisposeScope();
        var x = zeros(1024, ScalarType.Float64, requires_grad: true);
        Scaled.SawContiguous = false;

        Scaled.apply(x, 1.0).sum().backward();

        Assert.True(Scaled.SawContiguous);
    }

    [Fact]
    public void What_backward_throws_comes_out_afterwards_and_once()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new[] { 1.0 }, requires_grad: true);

        Scaled.apply(x, double.NaN).sum().backward();

        Assert.Equal("factor", Assert.Throws<InvalidDataException>(KernelFaults.ThrowIfAny).Message);
        KernelFaults.ThrowIfAny();
    }

    [Fact]
    public void Two_hundred_steps_leave_no_tensor_behind() => LiveTensors.Unchanged("steps", () =>
    {
        for (var step = 0; step < 200; step++)
        {
            using var scope = NewDisposeScope();
            Scaled.apply(zeros(8, ScalarType.Float64, requires_grad: true), 2.0).sum().backward();
        }
    });

    /// <summary>x times a number; a factor that is not a number fails in backward.</summary>
    private sealed class Scaled : KernelFunction<Scaled>
    {
        internal static bool SawContiguous { get; set; }

        protected override int ArgumentCount => 2;

        protected override Tensor Compute(autograd.AutogradContext context, IReadOnlyList<object?> arguments)
        {
            var x = (Tensor)arguments[0]!;
            Save(context, full_like(x, (double)arguments[1]!));
            return x * (double)arguments[1]!;
        }

        protected override IReadOnlyList<Tensor?> Differentiate(autograd.AutogradContext context, Tensor gradient)
        {
            var factor = context.get_saved_variables()[0];
            SawContiguous = gradient.is_contiguous();
            return factor.isnan().any().item<bool>() ? throw new InvalidDataException("factor") : [gradient * factor, null];
        }
    }
}
