using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A differentiable function with a gradient of its own, made safe: scopes, expanded gradients and exceptions in backward.</summary>
/// <typeparam name="TSelf">The deriving type, with a parameterless constructor.</typeparam>
/// <remarks>Forward and backward each run in a dispose scope of their own. The gradient given to <see cref="Differentiate"/> is contiguous.
/// What backward throws is kept for <see cref="KernelFaults"/>, and no gradient flows. It cannot be differentiated twice.</remarks>
public abstract class KernelFunction<TSelf> : autograd.SingleTensorFunction<TSelf>
    where TSelf : KernelFunction<TSelf>, new()
{
    /// <inheritdoc/>
    public sealed override string Name => typeof(TSelf).Name;

    /// <summary>How many arguments <see cref="Compute"/> takes, tensors or not.</summary>
    protected abstract int ArgumentCount { get; }

    /// <summary>Computes the result.</summary>
    /// <param name="context">Takes what backward needs, through <see cref="Save"/>.</param>
    /// <param name="arguments">The arguments of the call.</param>
    protected abstract Tensor Compute(autograd.AutogradContext context, IReadOnlyList<object?> arguments);

    /// <summary>Computes the gradients.</summary>
    /// <param name="context">The context of forward.</param>
    /// <param name="gradient">The gradient of the result, contiguous.</param>
    /// <returns>A gradient for each argument; null where there is none.</returns>
    protected abstract IReadOnlyList<Tensor?> Differentiate(autograd.AutogradContext context, Tensor gradient);

    /// <summary>Saves tensors for backward; those made in forward then belong to the caller's scope.</summary>
    protected static void Save(autograd.AutogradContext context, params Tensor[] tensors)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(tensors);
        // They are recorded only after forward has returned, so its scope must not end them.
        context.save_for_backward([.. tensors.Select(tensor => tensor.MoveToOuterDisposeScope())]);
    }

    /// <inheritdoc/>
    public sealed override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        using var scope = NewDisposeScope();
        return Compute(ctx, vars).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public sealed override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var scope = NewDisposeScope();
        try
        {
            var gradients = Differentiate(ctx, grad_output.contiguous());
            return gradients.Count == ArgumentCount
                ? [.. gradients.Select(gradient => gradient?.MoveToOuterDisposeScope()!)]
                : throw new InvalidOperationException($"{Name} has {ArgumentCount} arguments; its backward gave {gradients.Count} gradients.");
        }
        catch (Exception error)
        {
            KernelFaults.Keep(error);
            return [.. new Tensor[ArgumentCount]];
        }
    }
}
