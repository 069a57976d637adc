using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of the BatchTopK autoencoder; with nested widths it is the Matryoshka one.</summary>
public sealed class BatchTopKOptions : SparseAutoencoderOptions
{
    /// <summary>Features kept in a row on average (k), a fraction allowed. Default 32.</summary>
    [Range(double.Epsilon, double.MaxValue)]
    public double ActiveCount { get; set; } = 32;

    /// <summary>Whether features are chosen by, and codes returned as, pre-activation times atom norm (SAELens). Default false.</summary>
    public bool RescalesByDecoderNorm { get; set; }

    /// <summary>Share of a new batch in the threshold for inference. Default 0.01 (SAELens).</summary>
    [Range(0.0, 1.0)]
    public double ThresholdRate { get; set; } = 0.01;

    /// <summary>Whether rows outside training are coded by the threshold, once there is one. Default true: a row's codes then do not
    /// depend on the rows beside it.</summary>
    public bool UsesThreshold { get; set; } = true;

    /// <summary>Nested widths, ascending, each below F, whose features must reconstruct alone (Matryoshka). Default none.</summary>
    public IReadOnlyList<long> NestedWidths { get; set; } = [];

    internal override void Check()
    {
        base.Check();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ActiveCount);
        if (NestedWidths.Any(width => width < 1 || width >= FeatureCount))
            throw new ArgumentException($"{nameof(NestedWidths)} ({string.Join(", ", NestedWidths)}) must lie between 1 and {FeatureCount - 1}.");
    }
}
