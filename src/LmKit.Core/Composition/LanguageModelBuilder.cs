using System.Collections.Immutable;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Composes a language model; a front over <see cref="ModelConfig"/>, which is all that building reads.</summary>
/// <remarks>
/// <para>Verbs of the packages: <c>AddX</c> puts X in a slot (the last one wins, per layer or site), <c>UseX</c> wraps what the
/// slot holds (the first added is the outermost). <c>Build</c> makes the model. Works without a container; not thread-safe.</para>
/// </remarks>
public sealed class LanguageModelBuilder
{
    private ImmutableArray<ComponentEntry> components = [];

    /// <summary>Sizes and model-wide treatment.</summary>
    public LanguageModelOptions Options { get; private init; } = new();

    /// <summary>Vocabulary size V.</summary>
    public long VocabSize { get => Options.VocabSize; set => Options.VocabSize = value; }

    /// <summary>Model width D.</summary>
    public long ModelDim { get => Options.ModelDim; set => Options.ModelDim = value; }

    /// <summary>Number of layers.</summary>
    public int LayerCount { get => Options.LayerCount; set => Options.LayerCount = value; }

    /// <summary>Where the model is built; the CPU by default. Not part of the configuration.</summary>
    public Device Device { get; set; } = CPU;

    /// <summary>Dtype of the parameters; float32 by default, and a trained folder's by default for a model that a container loads from one.
    /// Not part of the configuration.</summary>
    public ScalarType Dtype { get => StatedDtype ?? ScalarType.Float32; set => StatedDtype = value; }

    /// <summary>The dtype where one was set.</summary>
    internal ScalarType? StatedDtype { get; private set; }

    /// <summary>The kinds that the configuration may name beside Core's own.</summary>
    public ComponentRegistry Kinds { get; private init; } = new();

    /// <summary>The configuration written so far.</summary>
    public ModelConfig Config => new(Options, components);

    /// <summary>Starts from a configuration, to be changed by verbs.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="kinds">Kinds that it may name beside Core's own; copied.</param>
    /// <exception cref="ConfigurationException">A size is impossible.</exception>
    public static LanguageModelBuilder From(ModelConfig config, ComponentRegistry? kinds = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        return new() { Options = config.ReadOptions(), Kinds = kinds?.Copy() ?? new ComponentRegistry(), components = config.Components };
    }

    /// <summary>Starts from options that are not yet whole and components of known kinds.</summary>
    internal static LanguageModelBuilder From(LanguageModelOptions options, ImmutableArray<ComponentEntry> components, ComponentRegistry kinds) =>
        new() { Options = options, Kinds = kinds.Copy(), components = components };

    /// <summary>Adds a component with options.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="configure">Fills its options.</param>
    /// <param name="layers">The layers; null for all.</param>
    /// <param name="sites">Site patterns of linears (<see cref="LinearSite.Matches"/>); null for all linears of layers.</param>
    /// <exception cref="ConfigurationException">An option is out of its range.</exception>
    /// <exception cref="ArgumentException">The slot has no layers or sites to limit it to.</exception>
    public LanguageModelBuilder Add<TOptions, TPart>(Kind<TOptions, TPart> kind, Action<TOptions>? configure = null, int[]? layers = null, string[]? sites = null)
        where TOptions : class, new()
        where TPart : class
    {
        ArgumentNullException.ThrowIfNull(kind);
        var options = new TOptions();
        configure?.Invoke(options);
        return Add(kind, options, layers, sites);
    }

    /// <summary>Adds a component without options.</summary>
    /// <inheritdoc cref="Add{TOptions, TPart}(Kind{TOptions, TPart}, Action{TOptions}?, int[], string[])"/>
    public LanguageModelBuilder Add<TPart>(Kind<TPart> kind, int[]? layers = null, string[]? sites = null)
        where TPart : class
    {
        ArgumentNullException.ThrowIfNull(kind);
        return Add(kind, Activator.CreateInstance(kind.OptionsType)!, layers, sites);
    }

    /// <summary>Whether no option was set and no component added, so that it changes nothing where it is taken.</summary>
    internal bool IsUntouched => components.IsEmpty && !Options.IsStated;

    /// <summary>Adds what another builder was told: its kinds, its components at the end, and the options that were set on it.</summary>
    internal void Take(LanguageModelBuilder other)
    {
        foreach (var kind in other.Kinds.All)
            _ = Kinds.Add(kind);
        other.Options.CopyStated(Options);
        components = components.AddRange(other.components);
    }

    private LanguageModelBuilder Add(Kind kind, object options, int[]? layers, string[]? sites)
    {
        if (layers is not null && kind.Slot.Scope == SlotScope.Model)
            throw new ArgumentException($"There is one {kind.Slot} for the whole model, so {kind} takes no layers.", nameof(layers));
        if (sites is not null && kind.Slot.Scope != SlotScope.Sites)
            throw new ArgumentException($"Sites are those of linears; {kind} is not one.", nameof(sites));
        OptionsJson.Validate(options, $"$.components[{components.Length}].options");
        var written = OptionsJson.Write(options);
        _ = Kinds.Add(kind);
        components = components.Add(new ComponentEntry(kind.Slot, kind.Name, kind.Package, written, layers is null ? null : [.. layers], sites is null ? null : [.. sites]));
        return this;
    }
}
