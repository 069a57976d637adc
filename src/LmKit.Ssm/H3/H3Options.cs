using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of the H3 layer.</summary>
public sealed class H3Options
{
    /// <summary>State size N of the diagonal state space (d_state); even. Default 64 (Fu et al. 2022).</summary>
    [Range(2, 65536)]
    [JsonPropertyName("d_state")]
    public long StateDim { get; set; } = 64;

    /// <summary>State size of the shift state space, the taps of its filter (shift_dim); 0 stands for d_state, the default.</summary>
    [Range(0, 65536)]
    public long ShiftDim { get; set; }

    /// <summary>Width of a head (head_dim); must divide d_model. Default 1, as in all published checkpoints.</summary>
    [Range(1, 65536)]
    public long HeadDim { get; set; } = 1;

    /// <summary>How the diagonal state space becomes a recurrence (disc). Default bilinear (official code).</summary>
    [JsonPropertyName("disc")]
    public Discretization Discretization { get; set; }

    /// <summary>The initial state matrix A (measure). Default lin (official code, "diag-lin").</summary>
    [JsonPropertyName("measure")]
    public DiagonalInitialization Initialization { get; set; }

    /// <summary>Least initial time step (dt_min). Default 0.001.</summary>
    [Range(1e-12, 1e6)]
    [JsonPropertyName("dt_min")]
    public double MinTimeStep { get; set; } = 1e-3;

    /// <summary>Largest initial time step (dt_max). Default 0.1.</summary>
    [Range(1e-12, 1e6)]
    [JsonPropertyName("dt_max")]
    public double MaxTimeStep { get; set; } = 0.1;

    /// <summary>Cuts both kernels to so many taps (l_max); no state can be carried then. Null, the default, cuts nothing.</summary>
    [Range(1, long.MaxValue)]
    [JsonPropertyName("l_max")]
    public long? MaxKernelLength { get; set; }

    /// <summary>Cuts to l_max in training only, so that the trained layer can still carry state. Default false.</summary>
    [JsonPropertyName("l_max_in_training_only")]
    public bool CutsOnlyInTraining { get; set; }

    /// <summary>Columns mixed at a time, with exact state passing between them, for long sequences in bounded memory (chunk_length);
    /// 0, the default, mixes all at once.</summary>
    [Range(0, long.MaxValue)]
    public long ChunkLength { get; set; }

    /// <summary>How many state matrices the heads share in turn (n_ssm); divides the heads. 0, the default, stands for one each.</summary>
    [Range(0, 1 << 20)]
    [JsonPropertyName("n_ssm")]
    public long MatrixCount { get; set; }

    /// <summary>How the real part of A is trained (real_type). Default exp.</summary>
    [JsonPropertyName("real_type")]
    public RealPart RealPart { get; set; }

    /// <summary>Whether A is taken as real (force_real). Default false.</summary>
    [JsonPropertyName("force_real")]
    public bool IsReal { get; set; }

    /// <summary>Silences states that turn by this many half turns a step or more (bandlimit); null, the default, none.</summary>
    [Range(1e-9, 1e9)]
    [JsonPropertyName("bandlimit")]
    public double? BandLimit { get; set; }

    internal DiagonalSsmOptions Diagonal => new(StateDim, Discretization, Initialization, MinTimeStep, MaxTimeStep, MatrixCount, RealPart, IsReal, BandLimit) { Owner = nameof(H3Options) };
}

/// <summary>The H3 mixer as a component.</summary>
public static class H3Component
{
    /// <summary>The H3 mixer.</summary>
    public static readonly Kind<H3Options, IMixer> Kind = Slots.Mixer.Define<H3Options>("h3", (options, layer) => new H3Mixer(options, layer));

    /// <summary>Puts H3 into layers.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddH3(this LanguageModelBuilder builder, Action<H3Options>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure, layers);
    }
}
