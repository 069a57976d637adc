using static TorchSharp.torch;

namespace LmKit;

/// <summary>Gives the uniform numbers in [0, 1) that a sampler consumes; the first axis of a shape is the batch.</summary>
/// <param name="shape">The shape wanted.</param>
/// <returns>A new tensor on the CPU, in the caller's dispose scope.</returns>
public delegate Tensor UniformSource(params long[] shape);
