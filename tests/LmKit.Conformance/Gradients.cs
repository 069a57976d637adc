using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>Gradients by a backward pass, which refuses what does not fit instead of ending the process as <c>autograd.grad</c> does.</summary>
public static class Gradients
{
    /// <summary>The gradients of <c>sum(output * cotangent)</c> by leaves, in their order; zeros for a leaf that the output does not depend on.</summary>
    public static IReadOnlyList<Tensor> Of(Tensor output, IReadOnlyList<Tensor> leaves, Tensor cotangent)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(leaves);
        ArgumentNullException.ThrowIfNull(cotangent);
        if (!output.shape.SequenceEqual(cotangent.shape))
            throw new ArgumentException($"The cotangent has shape ({string.Join(", ", cotangent.shape)}), the output ({string.Join(", ", output.shape)}).", nameof(cotangent));
        foreach (var leaf in leaves)
            leaf.grad = null;
        if (output.requires_grad)
            output.backward([cotangent]);
        return [.. leaves.Select(leaf => leaf.grad ?? zeros_like(leaf))];
    }
}
