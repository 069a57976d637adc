using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of the S4D layer.</summary>
public sealed class S4DOptions
{
    /// <summary>State size N (d_state); even. Default 64.</summary>
    [Range(2, 65536)]
    [JsonPropertyName("d_state")]
    public long StateDim { get; set; } = 64;

    /// <summary>How the state space becomes a recurrence (disc). Default zoh (S4D paper).</summary>
    [JsonPropertyName("disc")]
    public Discretization Discretization { get; set; } = Discretization.Zoh;

    /// <summary>The initial state matrix A (measure). Default inv (published code).</summary>
    [JsonPropertyName("measure")]
    public DiagonalInitialization Initialization { get; set; } = DiagonalInitialization.Inv;

    /// <summary>Least initial time step (dt_min). Default 0.001.</summary>
    [Range(1e-12, 1e6)]
    [JsonPropertyName("dt_min")]
    public double MinTimeStep { get; set; } = 1e-3;

    /// <summary>Largest initial time step (dt_max). Default 0.1.</summary>
    [Range(1e-12, 1e6)]
    [JsonPropertyName("dt_max")]
    public double MaxTimeStep { get; set; } = 0.1;

    /// <summary>How many state matrices the channels share in turn (n_ssm); divides the width. Default 1; 0 stands for one each.</summary>
    [Range(0, 1 << 20)]
    [JsonPropertyName("n_ssm")]
    public long MatrixCount { get; set; } = 1;

    /// <summary>Whether the output projection is gated (a GLU, twice as wide). Default false.</summary>
    [JsonPropertyName("glu")]
    public bool IsGated { get; set; }

    /// <summary>Whether A is taken as real (force_real). Default false.</summary>
    [JsonPropertyName("force_real")]
    public bool IsReal { get; set; }

    /// <summary>Silences states that turn by this many half turns a step or more (bandlimit); null, the default, none.</summary>
    [Range(1e-9, 1e9)]
    [JsonPropertyName("bandlimit")]
    public double? BandLimit { get; set; }

    /// <summary>Columns mixed at a time, with exact state passing between them; 0, the default, mixes all at once. Causal only.</summary>
    [Range(0, long.MaxValue)]
    public long ChunkLength { get; set; }

    internal DiagonalSsmOptions Diagonal => new(StateDim, Discretization, Initialization, MinTimeStep, MaxTimeStep, MatrixCount, RealPart.Exp, IsReal, BandLimit) { Owner = nameof(S4DOptions) };
}

/// <summary>The S4D mixer as a component.</summary>
public static class S4DComponent
{
    /// <summary>The S4D mixer.</summary>
    public static readonly Kind<S4DOptions, IMixer> Kind = Slots.Mixer.Define<S4DOptions>("s4d", (options, layer) => new S4DMixer(options, layer));

    /// <summary>Puts S4D into layers; bidirectional where the model is.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddS4D(this LanguageModelBuilder builder, Action<S4DOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure, layers);
    }
}
