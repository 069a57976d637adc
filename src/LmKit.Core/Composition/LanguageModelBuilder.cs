using System.Collections.Immutable;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Composes a language model; a front over <see cref="ModelConfig"/>, which is all that building reads.</summary>
/// <remarks>
/// <para>Verbs of the packages: <c>AddX</c> puts X in a slot (the last one wins, per layer or site), <c>UseX</c> wraps what the
/// slot holds (the first added is the outermost). Works without a container; not thread-safe.</para>
/// </remarks>
public sealed class LanguageModelBuilder
{
    private ImmutableArray<ComponentEntry> components = [];

    /// <summary>Sizes and model-wide treatment.</summary>
    public LanguageModelOptions Options { get; } = new();

    /// <summary>Vocabulary size V.</summary>
    public long VocabSize { get => Options.VocabSize; set => Options.VocabSize = value; }

    /// <summary>Model width D.</summary>
    public long ModelDim { get => Options.ModelDim; set => Options.ModelDim = value; }

    /// <summary>Number of layers.</summary>
    public int LayerCount { get => Options.LayerCount; set => Options.LayerCount = value; }

    /// <summary>Where the model is built; the CPU by default. Not part of the configuration.</summary>
    public Device Device { get; set; } = CPU;

    /// <summary>Dtype of the parameters; float32 by default. Not part of the configuration.</summary>
    public ScalarType Dtype { get; set; } = ScalarType.Float32;

    /// <summary>The kinds that the configuration may name.</summary>
    public ComponentRegistry Kinds { get; } = new();

    /// <summary>The configuration written so far.</summary>
    public ModelConfig Config => new(Options, components);

    /// <summary>Puts a mixer into layers.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="configure">Fills its options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public LanguageModelBuilder AddMixer<TOptions>(MixerKind<TOptions> kind, Action<TOptions>? configure = null, int[]? layers = null)
        where TOptions : class, new() => Add(kind, configure, layers);

    /// <summary>Gives the attention of layers a mask.</summary>
    /// <inheritdoc cref="AddMixer{TOptions}"/>
    public LanguageModelBuilder AddMask<TOptions>(MaskKind<TOptions> kind, Action<TOptions>? configure = null, int[]? layers = null)
        where TOptions : class, new() => Add(kind, configure, layers);

    /// <summary>Puts a feed-forward part into layers.</summary>
    /// <inheritdoc cref="AddMixer{TOptions}"/>
    public LanguageModelBuilder AddFeedForward<TOptions>(FeedForwardKind<TOptions> kind, Action<TOptions>? configure = null, int[]? layers = null)
        where TOptions : class, new() => Add(kind, configure, layers);

    /// <summary>Chooses the model's norms.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="configure">Fills its options.</param>
    public LanguageModelBuilder AddNorm<TOptions>(NormKind<TOptions> kind, Action<TOptions>? configure = null)
        where TOptions : class, new() => Add(kind, configure);

    /// <summary>Puts a linear at sites.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="configure">Fills its options.</param>
    /// <param name="sites">Site patterns (<see cref="LinearSite.Matches"/>); null for all.</param>
    /// <param name="layers">The layers; null for all.</param>
    public LanguageModelBuilder AddLinear<TOptions>(LinearKind<TOptions> kind, Action<TOptions>? configure = null, string[]? sites = null, int[]? layers = null)
        where TOptions : class, new() => Add(kind, configure, layers, sites);

    /// <summary>Wraps the linears at sites; the first wrapper added is the outermost.</summary>
    /// <inheritdoc cref="AddLinear{TOptions}"/>
    public LanguageModelBuilder UseLinear<TOptions>(LinearWrapperKind<TOptions> kind, Action<TOptions>? configure = null, string[]? sites = null, int[]? layers = null)
        where TOptions : class, new() => Add(kind, configure, layers, sites);

    /// <summary>Chooses the sampler.</summary>
    /// <inheritdoc cref="AddNorm{TOptions}"/>
    public LanguageModelBuilder AddSampler<TOptions>(SamplerKind<TOptions> kind, Action<TOptions>? configure = null)
        where TOptions : class, new() => Add(kind, configure);

    /// <summary>Builds the model.</summary>
    /// <exception cref="ConfigurationException">The configuration cannot work; names the option and its value.</exception>
    public LanguageModel Build() => LanguageModel.Build(Config, Kinds, Device, Dtype);

    /// <summary>The context in which one layer's mixer would be built, for building or testing a mixer by itself.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="random">Source of initial values and dropout; must outlive what is built.</param>
    public LayerContext CreateLayerContext(int layer, Generator random) =>
        new(new ModelPlan(Config, Kinds), layer, $"layers.{layer}.mixer", new ParameterFactory(random, Dtype, Device), random);

    private LanguageModelBuilder Add<TOptions>(ComponentKind kind, Action<TOptions>? configure, int[]? layers = null, string[]? sites = null)
        where TOptions : class, new()
    {
        ArgumentNullException.ThrowIfNull(kind);
        Kinds.Add(kind);
        var options = new TOptions();
        configure?.Invoke(options);
        components = components.Add(new ComponentEntry(
            kind.Slot,
            kind.Name,
            kind.Package,
            OptionsJson.Write(options),
            layers is null ? null : [.. layers],
            sites is null ? null : [.. sites]));
        return this;
    }
}
