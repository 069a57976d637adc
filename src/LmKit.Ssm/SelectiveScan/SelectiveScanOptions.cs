using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of the selective scan layer (Mamba-1).</summary>
public sealed class SelectiveScanOptions
{
    /// <summary>State size N of every inner channel (d_state). Default 16 (Gu and Dao 2023).</summary>
    [Range(1, 4096)]
    [JsonPropertyName("d_state")]
    public long StateDim { get; set; } = 16;

    /// <summary>Taps of the short convolution (d_conv). Default 4.</summary>
    [Range(1, 256)]
    [JsonPropertyName("d_conv")]
    public long ConvolutionLength { get; set; } = 4;

    /// <summary>Inner width E over the model's (expand). Default 2.</summary>
    [Range(1, 64)]
    [JsonPropertyName("expand")]
    public long Expansion { get; set; } = 2;

    /// <summary>Rank R of the time step's projection (dt_rank); 0, the default, stands for d_model / 16 rounded up.</summary>
    [Range(0, 65536)]
    [JsonPropertyName("dt_rank")]
    public long TimeStepRank { get; set; }

    /// <summary>Least initial time step (dt_min). Default 0.001.</summary>
    [Range(1e-12, 1e6)]
    [JsonPropertyName("dt_min")]
    public double MinTimeStep { get; set; } = 1e-3;

    /// <summary>Largest initial time step (dt_max). Default 0.1.</summary>
    [Range(1e-12, 1e6)]
    [JsonPropertyName("dt_max")]
    public double MaxTimeStep { get; set; } = 0.1;

    /// <summary>Floor of the initial time steps (dt_init_floor). Default 0.0001.</summary>
    [Range(1e-12, 1e6)]
    [JsonPropertyName("dt_init_floor")]
    public double TimeStepFloor { get; set; } = 1e-4;
}

/// <summary>The selective scan (Mamba-1) as a component.</summary>
public static class SelectiveScanComponent
{
    /// <summary>The selective scan (Mamba-1).</summary>
    public static readonly Kind<SelectiveScanOptions, IMixer> Kind = Slots.Mixer.Define<SelectiveScanOptions>("selective_scan", (options, layer) => new SelectiveScanMixer(options, layer));

    /// <summary>Puts selective scans (Mamba-1) into layers.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddSelectiveScan(this LanguageModelBuilder builder, Action<SelectiveScanOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure, layers);
    }
}
