using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Puts a kernel with a backward pass of its own into libtorch's graph.</summary>
/// <remarks>An exception in backward, or a gradient of another shape, would end the process. It is kept instead: that pass's gradients are NaN, and
/// <see cref="ThrowIfFailed"/> or the next kernel throws it. A kernel cannot be differentiated twice.</remarks>
public static class KernelFunction
{
    private static readonly ConcurrentQueue<ExceptionDispatchInfo> Failures = new();

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
        ThrowIfFailed();
        if (is_grad_enabled() && inputs.Any(input => input.requires_grad))
            return RecordedKernel.apply([new Kernel(forward, backward), .. inputs]);
        using var frozen = no_grad();
        return forward();
    }

    /// <summary>Throws the first exception of the backward passes since the last call, and forgets the others.</summary>
    public static void ThrowIfFailed()
    {
        if (!Failures.TryDequeue(out var first))
            return;
        while (Failures.TryDequeue(out _))
        {
            // What else failed in those passes failed with the first; an unrelated kernel must not throw it later.
        }
        first.Throw();
    }

    internal sealed record Kernel(Func<Tensor> Forward, KernelBackward Backward);

    internal sealed class RecordedKernel : autograd.SingleTensorFunction<RecordedKernel>
    {
        private const string Key = "kernel";

        public override string Name => nameof(RecordedKernel);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var kernel = (Kernel)vars[0];
            ctx.save_data(Key, kernel.Backward);
            ctx.save_for_backward([.. vars.Skip(1).Cast<Tensor>()]);
            using var frozen = no_grad();
            return kernel.Forward();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var scope = NewDisposeScope();
            var inputs = ctx.get_saved_variables();
            IReadOnlyList<Tensor?> gradients;
            try
            {
                gradients = ((KernelBackward)ctx.get_data(Key))(grad_output.contiguous(), inputs);
                Check(gradients, inputs);
            }
            catch (Exception error)
            {
                Failures.Enqueue(ExceptionDispatchInfo.Capture(error));
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
