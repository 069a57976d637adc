using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of low-rank adapters (Hu et al. 2021; DoRA: Liu et al. 2024; rank-stabilized: Kalajdzievski 2023).</summary>
/// <remarks>A pattern is a regular expression for the end of a module's name; the first that fits wins.</remarks>
public sealed class LoraOptions
{
    /// <summary>Rank r of the update. Default 16.</summary>
    [Range(1, 65536)]
    [JsonPropertyName("r")]
    public int Rank { get; set; } = 16;

    /// <summary>alpha; the update is scaled by alpha / r. Default 32.</summary>
    [Range(-1e9, 1e9)]
    [JsonPropertyName("lora_alpha")]
    public double Alpha { get; set; } = 32;

    /// <summary>Dropout on the adapter's input while training. Default 0.05.</summary>
    [Range(0.0, 0.999)]
    [JsonPropertyName("lora_dropout")]
    public double DropoutRate { get; set; } = 0.05;

    /// <summary>Scales by alpha / sqrt(r) instead. Default false.</summary>
    [JsonPropertyName("use_rslora")]
    public bool IsRankStabilized { get; set; }

    /// <summary>Trains each row's length apart from its direction (dense layers only). Default false.</summary>
    [JsonPropertyName("use_dora")]
    public bool IsWeightDecomposed { get; set; }

    /// <summary>Adds a trained bias to the update. Default false.</summary>
    [JsonPropertyName("lora_bias")]
    public bool HasBias { get; set; }

    /// <summary>How A starts. Default PEFT's.</summary>
    public LoraInitialization Initialization { get; set; }

    /// <summary>Standard deviation of a Gaussian start's A; null, the default, is PEFT's 1 / r.</summary>
    /// <remarks>Refused with any other start. An adapter folder says only that the start was Gaussian: PEFT has no key for more.</remarks>
    [Range(1e-9, 1e9)]
    public double? InitializationDeviation { get; set; }

    /// <summary>Other ranks for some modules, by pattern.</summary>
    public Dictionary<string, int> RankPattern { get; set; } = [];

    /// <summary>Other alphas for some modules, by pattern.</summary>
    public Dictionary<string, double> AlphaPattern { get; set; } = [];

    /// <summary>A factor on every update. Default 1.</summary>
    [Range(-1e9, 1e9)]
    public double Strength { get; set; } = 1;

    /// <summary>Other factors for some modules: by whole name first, then by pattern. A built model's configuration holds here what
    /// <see cref="LoraLinear.Strength"/> was set to.</summary>
    public Dictionary<string, double> StrengthPattern { get; set; } = [];

    /// <summary>Whether the adapters act. Default true.</summary>
    public bool IsEnabled { get; set; } = true;

    /// <summary>Which modules' adapters act, where that differs: by whole name first, then by pattern. A built model's configuration
    /// holds here what <see cref="LoraLinear.IsEnabled"/> was set to.</summary>
    public Dictionary<string, bool> EnabledPattern { get; set; } = [];

    /// <summary>Ids of tokens whose embedding rows were trained beside the adapters and belong into their folder. A built model's
    /// configuration holds here what <see cref="FineTuner"/> trained.</summary>
    [JsonPropertyName("trainable_token_indices")]
    public long[] TrainedTokens { get; set; } = [];

    internal void CopyTo(LoraOptions other)
    {
        var copy = Copy();
        foreach (var property in typeof(LoraOptions).GetProperties())
            property.SetValue(other, property.GetValue(copy));
    }

    internal LoraOptions Copy()
    {
        var copy = (LoraOptions)MemberwiseClone();
        copy.RankPattern = new(RankPattern ?? []);
        copy.AlphaPattern = new(AlphaPattern ?? []);
        copy.StrengthPattern = new(StrengthPattern ?? []);
        copy.EnabledPattern = new(EnabledPattern ?? []);
        copy.TrainedTokens = [.. TrainedTokens ?? []];
        return copy;
    }
}

/// <summary>How the factors of an adapter start; a fresh adapter changes nothing, since B A = 0.</summary>
public enum LoraInitialization
{
    /// <summary>A from U(-1/sqrt(I), 1/sqrt(I)), B zero: PEFT's default.</summary>
    KaimingUniform,

    /// <summary>A from N(0, 1/r^2), or of <see cref="LoraOptions.InitializationDeviation"/>; B zero.</summary>
    Gaussian,

    /// <summary>Both random in orthogonal halves of the r dimensions, so that B A = 0 up to rounding; r must be even.</summary>
    Orthogonal,
}

/// <summary>Low-rank adapters as a component.</summary>
public static class LoraComponent
{
    /// <summary>The low-rank adapter around a linear.</summary>
    public static readonly Kind<LoraOptions, ILinear> Kind =
        Slots.LinearWrapper.Define<LoraOptions>("lora", (options, place) => new LoraLinear(options, place.Inner, place.Site, record: options));

    /// <summary>Puts adapters around the linears at sites; used twice on a site, the site has two.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="sites">Site patterns (<see cref="LinearSite.Matches"/>); null for all linears of layers.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder UseLora(
        this LanguageModelBuilder builder,
        Action<LoraOptions>? configure = null,
        string[]? sites = null,
        int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure, layers, sites);
    }

    /// <summary>Puts the adapters of a folder on a published model: on the modules that its configuration targets, whose names are the published
    /// ones; <see cref="AdapterFile.Load(TorchSharp.torch.nn.Module, string, PublishedLayout)"/> then gives them their values.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="config">What the folder says (<see cref="AdapterFile.ReadConfig"/>).</param>
    /// <param name="layout">The layout of the published model.</param>
    /// <exception cref="ArgumentException">The configuration targets no linear of the model.</exception>
    public static LanguageModelBuilder UseLora(this LanguageModelBuilder builder, AdapterConfig config, PublishedLayout layout)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(layout);
        var (options, sites) = AdapterTargets.Of(config, layout);
        return builder.Add(Kind, options.CopyTo, null, sites);
    }

    /// <summary>Adds every kind of LmKit.Tuning, so that saved models which name them can be loaded.</summary>
    /// <param name="registry">The registry.</param>
    public static ComponentRegistry AddTuning(this ComponentRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        return registry.Add(Kind);
    }
}
