using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;

namespace LmKit;

/// <summary>Options of the batch form of top-AFA.</summary>
[Experimental("LMKIT0001", UrlFormat = "docs/experimental/{0}.md")]
public sealed class BatchTopAfaOptions : SparseAutoencoderOptions
{
    /// <summary>Share of a new batch in the threshold for inference. Default 0.01.</summary>
    [Range(0.0, 1.0)]
    public double ThresholdRate { get; set; } = 0.01;

    /// <summary>Whether rows outside training are coded by the threshold, once there is one. Default true.</summary>
    public bool UsesThreshold { get; set; } = true;
}
