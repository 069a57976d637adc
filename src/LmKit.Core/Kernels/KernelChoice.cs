namespace LmKit;

/// <summary>Which form of a kernel runs.</summary>
public enum KernelChoice
{
    /// <summary>The composition of libtorch operations in the paper's order: any device and dtype, slow.</summary>
    Reference,

    /// <summary>The managed SIMD form.</summary>
    Cpu,

    /// <summary>The CUDA form.</summary>
    Cuda,
}
