using static TorchSharp.torch;

namespace LmKit;

/// <summary>The backward pass of a kernel.</summary>
/// <param name="gradient">The gradient of its output, contiguous.</param>
/// <param name="inputs">The inputs of the forward pass; those that ask for a gradient have <c>requires_grad</c>.</param>
/// <returns>A gradient per input, null where none is asked for.</returns>
public delegate IReadOnlyList<Tensor?> KernelBackward(Tensor gradient, IReadOnlyList<Tensor> inputs);
