namespace LmKit;

/// <summary>The memory of one fused convolution or of its backward pass; what is null is not there or not asked for.</summary>
internal readonly unsafe struct ConvolutionWork
{
    internal SequenceGrid Grid { get; init; }

    /// <summary>Taps of a kernel.</summary>
    internal long Taps { get; init; }

    internal float* Source { get; init; }

    internal float* Kernel { get; init; }

    internal float* Skip { get; init; }

    internal float* InputGate { get; init; }

    internal float* OutputGate { get; init; }

    /// <summary>The result of a forward pass.</summary>
    internal float* Target { get; init; }

    /// <summary>The gradient of the result, in a backward pass.</summary>
    internal float* Upstream { get; init; }

    internal float* SourceGradient { get; init; }

    internal float* KernelGradient { get; init; }

    internal float* SkipGradient { get; init; }

    internal float* InputGateGradient { get; init; }

    internal float* OutputGateGradient { get; init; }

    internal bool NeedsProduct => SourceGradient is not null || InputGateGradient is not null;

    internal bool NeedsKernel => KernelGradient is not null || SkipGradient is not null;
}
