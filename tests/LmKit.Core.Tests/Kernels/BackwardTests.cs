using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Kernels;

[NoTensorLeak]
public class BackwardTests
{
    [Fact]
    public void Gradients_are_those_of_the_library()
    {
        using var scope = NewDisposeScope();
        var a = arange(3, ScalarType.Float32).requires_grad_(true);
        var y = a.square();
        y.Backward(full(3, 2.0f), retainGraph: true);
        Close.Check("gradient", a.detach() * 4, a.grad!);

        y.sum().Backward();
        Close.Check("both", a.detach() * 6, a.grad!);
    }

    [Fact]
    public void A_failure_is_thrown_by_the_call_that_ran_into_it()
    {
        using var scope = NewDisposeScope();
        var a = ones(3).requires_grad_(true);

        Assert.Equal("broken", Assert.Throws<InvalidOperationException>(() => Broken(a, "broken").sum().Backward()).Message);
        Assert.True(a.grad!.isnan().all().item<bool>());
        KernelFunction.ThrowIfFailed();
    }

    [Fact]
    public void The_librarys_own_errors_pass_through()
    {
        using var scope = NewDisposeScope();
        var y = ones(3).requires_grad_(true).square().sum();
        y.Backward();

        Assert.Contains("second time", Assert.ThrowsAny<Exception>(() => y.Backward()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_failure_of_the_librarys_own_pass_is_thrown_by_the_next_kernel_there()
    {
        using var scope = NewDisposeScope();
        var a = ones(3).requires_grad_(true);
        Broken(a, "broken").sum().backward();

        Assert.Equal("broken", Assert.Throws<InvalidOperationException>(() => Broken(a, "other")).Message);
        _ = Broken(a, "third");
    }

    // The thread runs a kernel at a time at which the other's failure is known to be kept.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Code_that_runs_beside_never_sees_a_failure(bool cameAlong)
    {
        using var scope = NewDisposeScope();
        var a = ones(3).requires_grad_(true);
        using var failed = new ManualResetEventSlim();
        var wait = cameAlong ? null : Other();
        _ = Broken(a, "mine");
        wait ??= Other(); // with what was begun here
        Broken(a, "broken").sum().backward();
        failed.Set();

        Assert.Null(wait());
        Assert.Equal("broken", Assert.Throws<InvalidOperationException>(KernelFunction.ThrowIfFailed).Message);

        Func<Exception?> Other()
        {
            Exception? seen = null;
            var thread = new Thread(() =>
            {
                failed.Wait();
                seen = Record.Exception(() =>
                {
                    using var inner = NewDisposeScope();
                    var b = ones(3).requires_grad_(true);
                    using (no_grad())
                        _ = Broken(b, "not recorded");
                    Healthy(b).sum().Backward();
                });
            });
            thread.Start();
            return () =>
            {
                thread.Join();
                return seen;
            };
        }
    }

    [Fact]
    public void A_graph_of_another_thread_fails_where_its_pass_was_begun()
    {
        using var scope = NewDisposeScope();
        var a = ones(3).requires_grad_(true);
        var loss = Broken(a, "broken").sum();
        Exception? seen = null;
        var thread = new Thread(() => seen = Record.Exception(() => loss.Backward()));
        thread.Start();
        thread.Join();

        Assert.Equal("broken", Assert.IsType<InvalidOperationException>(seen).Message);
        KernelFunction.ThrowIfFailed();
    }

    [Fact]
    public async Task What_was_recorded_before_an_await_is_thrown_after_it()
    {
        var a = ones(3).requires_grad_(true);
        await Task.Yield();
        using (var scope = NewDisposeScope())
            Broken(a, "broken").sum().backward();
        await Task.Run(() => Thread.Sleep(1));
        a.Dispose();

        Assert.Equal("broken", Assert.Throws<InvalidOperationException>(KernelFunction.ThrowIfFailed).Message);
    }

    [Fact]
    public void Backward_runs_with_the_choice_of_forward()
    {
        using var scope = NewDisposeScope();
        var a = ones(3).requires_grad_(true);
        (KernelChoice, int) seen = default;
        Tensor y;
        using (KernelSelection.Use(KernelChoice.Reference))
        using (SimdWidth.Limit(128))
        {
            y = KernelFunction.Run([a], () => a.clone(), (gradient, _) =>
            {
                seen = (KernelSelection.Current, SimdWidth.Bits);
                return [gradient.clone()];
            });
        }
        using var chosen = KernelSelection.Use(KernelChoice.Cpu);
        y.sum().Backward();

        Assert.Equal((KernelChoice.Reference, 128), seen);
        Assert.Equal(KernelChoice.Cpu, KernelSelection.Current);
        Assert.Equal(SimdWidth.All[0], SimdWidth.Bits);
    }

    [Fact]
    public async Task A_choice_flows_with_the_code_that_made_it_and_nowhere_else()
    {
        using var chosen = new ManualResetEventSlim();
        var beside = Task.Run(() =>
        {
            chosen.Wait();
            return (KernelSelection.Current, SimdWidth.Bits);
        });
        var before = (KernelSelection.Current, SimdWidth.Bits);
        using (KernelSelection.Use(KernelChoice.Reference))
        using (SimdWidth.Limit(128))
        {
            chosen.Set();
            await Task.Yield();
            Assert.Equal((KernelChoice.Reference, 128), await Task.Run(() => (KernelSelection.Current, SimdWidth.Bits)));
            Assert.Equal((KernelChoice.Reference, 128), (KernelSelection.Current, SimdWidth.Bits));
            Assert.Equal(before, await beside);
        }
        Assert.Equal(before, (KernelSelection.Current, SimdWidth.Bits));
    }

    private static Tensor Healthy(Tensor a) => KernelFunction.Run([a], () => a.clone(), (gradient, _) => [gradient.clone()]);

    private static Tensor Broken(Tensor a, string message) => KernelFunction.Run([a], () => a.clone(), (_, _) => throw new InvalidOperationException(message));
}
