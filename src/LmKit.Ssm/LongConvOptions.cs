using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of the gated long convolution.</summary>
public sealed class LongConvOptions
{
    /// <summary>Taps of each channel's trained kernel, the context that it sees (kernel_length). Default 1024.</summary>
    [Range(1, 1 << 24)]
    public long KernelLength { get; set; } = 1024;

    /// <summary>Shortest initial decay time of a channel's kernel in tokens; channels spread up to the kernel's length. Default 2.</summary>
    [Range(0.1, 1e9)]
    public double MinDecayTime { get; set; } = 2;
}
