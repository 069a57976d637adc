using System.Runtime.ExceptionServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Puts a kernel with a backward pass of its own into libtorch's graph.</summary>
/// <remarks>An exception in backward, or a gradient of another shape, would end the process. It is kept instead, and that pass's gradients are
/// NaN: <see cref="Backward"/> throws it. After libtorch's own <c>backward()</c> the next kernel of the code that recorded the failed one throws
/// it, or <see cref="ThrowIfFailed"/>; code that runs beside it never does. A kernel cannot be differentiated twice.</remarks>
public static class KernelFunction
{
    /// <summary>Runs a kernel and records its backward pass where a gradient will be asked for.</summary>
    /// <param name="inputs">Its inputs, all of them tensors.</param>
    /// <param name="forward">Computes the output; nothing in it is recorded.</param>
    /// <param name="backward">Computes the gradients; runs in a dispose scope of its own.</param>
    /// <returns>The output, in the caller's dispose scope.</returns>
    public static Tensor Run(IReadOnlyList<Tensor> inputs, Func<Tensor> forward, KernelBackward backward)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(forward);
        ArgumentNullException.ThrowIfNull(backward);
        KernelFailures.Own?.Throw();
        if (is_grad_enabled() && inputs.Any(input => input.requires_grad))
            return RecordedKernel.apply([new Kernel(forward, backward, KernelFailures.Join(), KernelSelection.Current, SimdWidth.Bits), .. inputs]);
        using var frozen = no_grad();
        return forward();
    }

    /// <summary>Computes the gradients of a loss and throws what failed in a kernel, here and at once.</summary>
    /// <param name="loss">The loss: one number, or numbers with <paramref name="gradients"/>.</param>
    /// <param name="gradients">The gradient of each of its numbers; null stands for 1.</param>
    /// <param name="retainGraph">Keeps the graph, for another pass through it.</param>
    /// <exception cref="Exception">The first exception of a kernel's backward pass; the gradients are NaN then.</exception>
    public static void Backward(this Tensor loss, Tensor? gradients = null, bool retainGraph = false)
    {
        ArgumentNullException.ThrowIfNull(loss);
        KernelFailures.Own?.Throw();
        var failures = new KernelFailures();
        using (failures.Collect())
        {
            try
            {
                loss.backward(gradients is null ? null : [gradients], retain_graph: retainGraph);
            }
            catch (Exception) when (failures.Any)
            {
                // A kernel failed first, which says more.
            }
        }
        failures.Throw();
        KernelFailures.Own?.Throw(); // of a device's own threads
    }

    /// <summary>Throws the first exception of the backward passes that were recorded here, or before what was awaited here, since the last call, and
    /// forgets the others.</summary>
    public static void ThrowIfFailed() => KernelFailures.Flowing?.Throw();

    private sealed record Kernel(Func<Tensor> Forward, KernelBackward Backward, KernelFailures Failures, KernelChoice Choice, int Bits);

    internal sealed class RecordedKernel : autograd.SingleTensorFunction<RecordedKernel>
    {
        private const string Key = "kernel";

        public override string Name => nameof(RecordedKernel);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var kernel = (Kernel)vars[0];
            ctx.save_data(Key, kernel);
            ctx.save_for_backward([.. vars.Skip(1).Cast<Tensor>()]);
            using var frozen = no_grad();
            return kernel.Forward();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var scope = NewDisposeScope();
            var inputs = ctx.get_saved_variables();
            var kernel = (Kernel)ctx.get_data(Key);
            IReadOnlyList<Tensor?> gradients;
            try
            {
                // As on the way forward, whichever thread this is.
                using var choice = KernelSelection.Current == kernel.Choice ? null : KernelSelection.Use(kernel.Choice);
                using var width = SimdWidth.Bits == kernel.Bits ? null : SimdWidth.Limit(kernel.Bits);
                gradients = kernel.Backward(grad_output.contiguous(), inputs);
                Check(gradients, inputs);
            }
            catch (Exception error)
            {
                kernel.Failures.Add(error);
                gradients = [.. inputs.Select(input => input.requires_grad ? full_like(input, double.NaN) : null)];
            }
            return [null!, .. gradients.Select(gradient => gradient?.MoveToOuterDisposeScope()!)];
        }

        // libtorch ends the process over a gradient of another shape.
        private static void Check(IReadOnlyList<Tensor?> gradients, List<Tensor> inputs)
        {
            if (gradients.Count != inputs.Count)
                throw new InvalidOperationException($"A kernel's backward gave {gradients.Count} gradients for {inputs.Count} inputs.");
            for (var index = 0; index < inputs.Count; index++)
            {
                if (gradients[index] is { } gradient && !gradient.shape.SequenceEqual(inputs[index].shape))
                    throw new InvalidOperationException($"A kernel's backward gave input {index} ({string.Join(", ", inputs[index].shape)}) a gradient of ({string.Join(", ", gradient.shape)}).");
            }
        }
    }
}

/// <summary>The backward pass of a kernel.</summary>
/// <param name="gradient">The gradient of its output, contiguous.</param>
/// <param name="inputs">The inputs of the forward pass; those that ask for a gradient have <c>requires_grad</c>.</param>
/// <returns>A gradient per input, null where none is asked for.</returns>
public delegate IReadOnlyList<Tensor?> KernelBackward(Tensor gradient, IReadOnlyList<Tensor> inputs);

/// <summary>What failed in backward passes, kept for the code that is to throw it.</summary>
/// <remarks>A pass that <see cref="KernelFunction.Backward"/> began is collected on the thread that began it. Any other failure goes to the code
/// that recorded the kernel: what flows from there, on one thread at a time. Code that starts other code shares nothing with it.</remarks>
internal sealed class KernelFailures
{
    private static readonly AsyncLocal<KernelFailures?> Flow = new();

    [ThreadStatic]
    private static KernelFailures? collecting; // of the pass that runs on this thread

    private readonly int thread = Environment.CurrentManagedThreadId;
    private ExceptionDispatchInfo? first;

    /// <summary>Those of the code that runs here; null where it recorded no kernel on this thread. What came along from another thread may be
    /// those of code that runs beside it.</summary>
    internal static KernelFailures? Own => Flow.Value is { } failures && failures.thread == Environment.CurrentManagedThreadId ? failures : null;

    /// <summary>Those of the code that runs here or that it continues.</summary>
    internal static KernelFailures? Flowing => Flow.Value;

    /// <summary>Whether there is one.</summary>
    internal bool Any => Volatile.Read(ref first) is not null;

    /// <summary>Those of the code that runs here, begun where it has none.</summary>
    internal static KernelFailures Join() => Own ?? (Flow.Value = new KernelFailures());

    /// <summary>Takes what fails on this thread until the result is disposed.</summary>
    internal IDisposable Collect()
    {
        var end = new End(collecting);
        collecting = this;
        return end;
    }

    /// <summary>Keeps a failure for whoever collects on this thread, else for these. Only the first of a pass says something.</summary>
    internal void Add(Exception error) => _ = Interlocked.CompareExchange(ref (collecting ?? this).first, ExceptionDispatchInfo.Capture(error), null);

    /// <summary>Throws the first and forgets it.</summary>
    internal void Throw() => Interlocked.Exchange(ref first, null)?.Throw();

    private sealed class End(KernelFailures? before) : IDisposable
    {
        public void Dispose() => collecting = before;
    }
}
