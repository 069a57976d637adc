using System.Runtime.InteropServices;

namespace LmKit;

/// <summary>One building of a model from its plan: makes the parts, and notes what was asked for, so that what found no place is refused.</summary>
/// <param name="plan">The plan.</param>
/// <param name="freshFrom">Wrappers of this index and beyond get initial values even where a checkpoint fills the rest; null for none.</param>
internal sealed class ModelBuild(ModelPlan plan, int? freshFrom = null) : IPartSource
{
    private readonly HashSet<(int Component, string Site)> usedSites = [];
    private readonly List<string> sitesSeen = [];
    private readonly HashSet<(Slot Slot, int Layer)> asked = [];
    private readonly HashSet<int> usedPositions = [];
    private readonly HashSet<Kind> assumed = [];
    private readonly Dictionary<string, List<(int Component, ILinear Linear)>> wrapped = [];

    /// <inheritdoc/>
    public LanguageModelOptions Options => plan.Options;

    /// <inheritdoc/>
    public bool HasPositionTable { get; private set; }

    /// <summary>The same configuration with every default written out: options, and the components that building assumed.</summary>
    internal ModelConfig Config => new(
        Options,
        [.. assumed.OrderBy(kind => kind.Slot.Order).Select(Assumed).Where(entry => !plan.Components.Any(component => component.Entry.Equals(entry))), .. plan.Components.Select(component => component.Entry.WithOptions(OptionsJson.Write(component.Options)))]);

    /// <summary>The configuration without what building assumed, with the options as they are now.</summary>
    internal ModelConfig Written => new(Options, [.. plan.Components.Select(component => component.Entry.WithOptions(OptionsJson.Write(component.Options)))]);

    /// <summary>The linears with wrappers, by site: the wrappers' places in the configuration with their modules, inner ones first; the wrapped linear itself has -1.</summary>
    internal IReadOnlyDictionary<string, List<(int Component, ILinear Linear)>> Wrapped => wrapped;

    internal ModelPlan Plan => plan;

    /// <summary>Whether a layer's part asked for a slot.</summary>
    internal bool IsAsked(Slot slot, int layer) => asked.Contains((slot, layer));

    /// <inheritdoc/>
    public TPart Create<TPart, TPlace>(Slot<TPart, TPlace> slot, int layer, TPlace place)
        where TPart : class
        where TPlace : class
    {
        _ = asked.Add((slot, layer));
        var chosen = slot.Scope == SlotScope.Model ? plan.Winner(slot) : plan.Winner(slot, layer);
        var part = chosen?.Create<TPart>(place) ?? Default(slot, layer, place);
        if (part is IMixer mixer && mixer.IsCausal == Options.IsBidirectional)
            throw new ConfigurationException(chosen?.Path ?? "$", $"'{chosen?.Entry.Kind}' in layer {layer} is {(mixer.IsCausal ? "causal" : "not causal")}, but is_bidirectional is {Options.IsBidirectional}.");
        if (part is PositionEncoding { ActsOnScores: true } or NoPositions && chosen is not null)
            _ = usedPositions.Add(chosen.Index);
        return part;
    }

    /// <inheritdoc/>
    public IPositionTable? CreatePositionTable(LayerContext embedding)
    {
        if (plan.Winner(Slots.Positions) is not { } chosen)
            return null;
        // Encodings of attention ask for heads, which an embedding has not; one head as wide as the model serves to look whether there is a table.
        var table = chosen.Create<PositionEncoding>(new PositionSite(embedding, 1, embedding.ModelDim)).CreateTable(embedding);
        if (table is null)
            return null;
        _ = usedPositions.Add(chosen.Index);
        HasPositionTable = true;
        return table;
    }

    /// <inheritdoc/>
    public ILinear CreateLinear(LinearSite site)
    {
        sitesSeen.Add(site.Path);
        var candidates = plan.At(Slots.Linear, site);
        foreach (var candidate in candidates)
            MarkUsed(candidate, site);
        var chosen = candidates.Count > 0 ? candidates[^1] : null;
        var linear = chosen?.Create<ILinear>(site) ?? Default(Slots.Linear, site.LayerIndex, site);
        if (site.IsTied && !site.IsTableTaken)
        {
            (linear as IDisposable)?.Dispose();
            throw new ConfigurationException(chosen?.Path ?? "$", $"'{chosen?.Entry.Kind}' cannot stand at {site.Path}, because tie_word_embeddings = true makes the head the embedding's table; set it to false, or leave {site.Path} out of the sites.");
        }
        foreach (var wrapper in plan.At(Slots.LinearWrapper, site).Reverse())
        {
            MarkUsed(wrapper, site);
            if (!wrapped.TryGetValue(site.Path, out var chain))
                wrapped[site.Path] = chain = [(-1, linear)];
            linear = site.Parameters.Initializing(wrapper.Index >= freshFrom, () => wrapper.Create<ILinear>(new WrappedSite(linear, site)));
            chain.Add((wrapper.Index, linear));
        }
        if (linear.InFeatures == site.InFeatures && linear.OutFeatures == site.OutFeatures)
            return linear;
        throw new ConfigurationException(chosen?.Path ?? "$.components", $"the linear at {site.Path} maps {linear.InFeatures} to {linear.OutFeatures} features; "
            + $"{site.InFeatures} to {site.OutFeatures} were asked for.");
    }

    /// <summary>Makes the sampler; a default one is not told of in the configuration.</summary>
    internal ISampler CreateSampler(ILanguageModel model) =>
        plan.Winner(Slots.Sampler)?.Create<ISampler>(model) ?? new AutoregressiveSampler(model, new AutoregressiveSamplerOptions());

    /// <summary>Makes the dictionaries that the configuration names for a layer, in their order; they are in evaluation mode.</summary>
    internal IReadOnlyList<IDictionary> CreateDictionaries(LayerContext layer)
    {
        var made = new List<IDictionary>();
        try
        {
            foreach (var component in plan.Dictionaries(layer.LayerIndex))
                made.Add(CreateDictionary(component, layer));
            return made;
        }
        catch
        {
            foreach (var dictionary in made)
                (dictionary as IDisposable)?.Dispose();
            throw;
        }
    }

    /// <summary>Fails for a dictionary that cannot be made, by making each once without values.</summary>
    internal void CheckDictionaries(Func<int, LayerContext> context)
    {
        foreach (var component in plan.Components.Where(component => component.Entry.Slot == Slots.Dictionary && component.Entry.Layers is not { Length: 0 }))
            (CreateDictionary(component, context(component.Entry.Layers?[0] ?? 0)) as IDisposable)?.Dispose();
    }

    private static IDictionary CreateDictionary(PlannedComponent component, LayerContext layer)
    {
        var dictionary = component.Create<IDictionary>(new DictionarySite(layer.Parameters, layer));
        (dictionary as TorchSharp.torch.nn.Module)?.eval();
        var shape = dictionary.Atoms.shape;
        if (shape is [_, var width] && width == layer.ModelDim)
            return dictionary;
        (dictionary as IDisposable)?.Dispose();
        throw new ConfigurationException(component.Path, $"'{component.Entry.Kind}' makes a dictionary whose atoms are ({string.Join(", ", shape)}); the activations of layer {layer.LayerIndex} are LanguageModelOptions.ModelDim = {layer.ModelDim} wide ($.model.d_model).");
    }

    /// <summary>Fails for an entry that found no place: a pattern that names no site, a mask or positions that no layer asks for.</summary>
    internal void CheckAllUsed()
    {
        foreach (var component in plan.Components)
        {
            var (entry, path) = (component.Entry, component.Path);
            foreach (var site in (entry.Sites ?? []).Where(site => !usedSites.Contains((component.Index, site))))
            {
                if (site == LinearSite.Head && entry.Layers is not null)
                    throw new ConfigurationException($"{path}.sites", $"'{site}' is not in a layer, but '{entry.Kind}' is given layers; add it for {site} by itself, without layers.");
                throw new ConfigurationException($"{path}.sites", $"'{site}' names no linear of this model; it has {string.Join(", ", sitesSeen.Select(seen => seen[(seen.LastIndexOf('.') + 1)..]).Distinct())}.");
            }
            var isLost = entry.Slot == Slots.Mask ? !asked.Any(place => place.Slot == Slots.Mask && entry.AppliesTo(place.Layer))
                : entry.Slot == Slots.Positions && !usedPositions.Contains(component.Index) && !asked.Any(place => place.Slot == Slots.Positions && IsOvershadowed(component, place.Layer));
            if (isLost)
                throw new ConfigurationException(path, $"nothing {(entry.Layers is { } layers ? $"in layers {string.Join(", ", layers)}" : "in this model")} asks for {(entry.Slot == Slots.Mask ? "a mask" : "positions")}, so '{entry.Kind}' has nothing to act on; add attention layers or drop it.");
        }
    }

    // Whether a later entry took its place.
    private bool IsOvershadowed(PlannedComponent component, int layer) =>
        component.Entry.AppliesTo(layer) && plan.Winner(Slots.Positions, layer) is { } winner && winner.Index > component.Index;

    private TPart Default<TPart, TPlace>(Slot<TPart, TPlace> slot, int layer, TPlace place)
        where TPart : class
        where TPlace : class
    {
        var kind = CoreKinds.Default(slot, Options.IsBidirectional)
            ?? throw new ConfigurationException("$.components", $"layer {layer} has no {slot}; add one for it, e.g. AddAttention().");
        _ = assumed.Add(kind);
        return ((Kind<TPart>)kind).Create(Activator.CreateInstance(kind.OptionsType)!, place);
    }

    private static ComponentEntry Assumed(Kind kind) =>
        new(kind.Slot, kind.Name, kind.Package, OptionsJson.Write(Activator.CreateInstance(kind.OptionsType)!));

    private void MarkUsed(PlannedComponent component, LinearSite site)
    {
        foreach (var pattern in (component.Entry.Sites ?? []).Where(site.Matches))
            _ = usedSites.Add((component.Index, pattern));
    }
}

/// <summary>Which errors of a part that is built are faults of its options.</summary>
internal static class BuildFault
{
    internal static bool IsOfOptions(Exception error) =>
        error is ArgumentException or NotSupportedException or ArithmeticException or ExternalException or OutOfMemoryException;
}
