using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of semi-autoregressive sampling.</summary>
public sealed class SemiAutoregressiveSamplerOptions : DiffusionSamplerOptions
{
    /// <summary>Columns of a window: the length the network was trained on. Default 1024.</summary>
    [Range(1, 10_000_000)]
    public int WindowLength { get; set; } = 1024;

    /// <summary>Columns that each window adds to the one before. Default 512.</summary>
    [Range(1, 10_000_000)]
    public int StrideLength { get; set; } = 512;
}
