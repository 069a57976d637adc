using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class KernelFunctionTests
{
    [Fact]
    public void A_kernel_gets_its_inputs_back_and_a_contiguous_gradient()
    {
        using var scope = NewDisposeScope();
        var (a, b) = (arange(6.0f).view(2, 3).requires_grad_(true), full(2, 3, 2.0f));
        var y = Multiply(a, b);
        y.sum().backward(); // expands one number

        Close.Check("y", a * b, y);
        Close.Check("gradient", b, a.grad!);
    }

    [Fact]
    public void Inputs_disposed_before_backward_do_no_harm()
    {
        using var scope = NewDisposeScope();
        var a = ones(3).requires_grad_(true);
        Tensor y;
        using (NewDisposeScope())
            y = Multiply(a * 2, a * 3).MoveToOuterDisposeScope();
        y.sum().backward();

        Close.Check("gradient", full(3, 12.0f), a.grad!);
    }

    [Fact]
    public void An_exception_in_backward_makes_gradients_NaN_and_is_thrown_afterwards()
    {
        using var scope = NewDisposeScope();
        var a = ones(3).requires_grad_(true);
        var y = KernelFunction.Run([a], () => a.clone(), (_, _) => throw new InvalidOperationException("broken kernel"));
        y.sum().backward();

        Assert.True(a.grad!.isnan().all().item<bool>());
        Assert.Equal("broken kernel", Assert.Throws<InvalidOperationException>(KernelFunction.ThrowIfFailed).Message);
        KernelFunction.ThrowIfFailed();
    }

    [Fact]
    public void A_gradient_of_another_shape_is_thrown_afterwards_too()
    {
        using var scope = NewDisposeScope();
        var a = ones(3).requires_grad_(true);
        KernelFunction.Run([a], () => a.clone(), (_, _) => [ones(2)]).sum().backward();

        Assert.Contains("(3)", Assert.Throws<InvalidOperationException>(KernelFunction.ThrowIfFailed).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Several_failures_of_one_pass_are_thrown_once_and_leave_nothing_for_others()
    {
        using var scope = NewDisposeScope();
        var a = ones(3).requires_grad_(true);
        var inner = KernelFunction.Run([a], () => a.clone(), (_, _) => throw new InvalidOperationException("inner"));
        KernelFunction.Run([inner], () => inner.clone(), (_, _) => throw new InvalidOperationException("outer")).sum().backward();

        Assert.Equal("outer", Assert.Throws<InvalidOperationException>(KernelFunction.ThrowIfFailed).Message);
        Close.Check("healthy", full(3, 2.0f), Multiply(ones(3), full(3, 2.0f)));
    }

    [Fact]
    public void Without_gradients_nothing_is_recorded()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();

        Assert.False(Multiply(ones(3).requires_grad_(true), ones(3)).requires_grad);
    }

    private static Tensor Multiply(Tensor a, Tensor b) => KernelFunction.Run([a, b], () => a * b, (gradient, inputs) =>
    {
        Assert.True(gradient.is_contiguous());
        return [inputs[0].requires_grad ? gradient * inputs[1] : null, inputs[1].requires_grad ? gradient * inputs[0] : null];
    });
}
