namespace LmKit;

/// <summary>Which form of a kernel runs.</summary>
public enum KernelChoice
{
    /// <summary>libtorch operations in the paper's order: slow, differentiable by libtorch, the truth.</summary>
    Reference,

    /// <summary>Managed SIMD for tensors on the CPU; what it does not serve falls back to the reference.</summary>
    Cpu,
}
