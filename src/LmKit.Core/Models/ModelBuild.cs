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
    private readonly Dictionary<int, int> encodings = []; // by layer, the component whose encoding its attention has; -1 for the default
    private int table = -1; // the component whose table the embedding has
    private PositionSite? positionSite;
    private readonly HashSet<Kind> assumed = [];
    private readonly Dictionary<string, List<(int Component, ILinear Linear)>> wrapped = [];

    /// <inheritdoc/>
    public LanguageModelOptions Options => plan.Options;

    /// <inheritdoc/>
    public bool HasPositionTable { get; private set; }

    /// <summary>The same configuration with every default written out: options, and the components that building assumed.</summary>
    internal ModelConfig Config => new(
        Options,
        [.. assumed.OrderBy(kind => kind.Slot.Order).Select(Assumed), .. plan.Components.Select(component => component.Entry.WithOptions(OptionsJson.Write(component.Options)))]);

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
        return part;
    }

    /// <inheritdoc/>
    public PositionEncoding CreatePositions(PositionSite site)
    {
        positionSite = site;
        var layer = site.Layer.LayerIndex;
        foreach (var candidate in plan.LastFirst(Slots.Positions, layer))
        {
            var encoding = candidate.Create<PositionEncoding>(site);
            if (IsOfEmbedding(encoding))
                continue;
            encodings[layer] = candidate.Index;
            return encoding;
        }
        encodings[layer] = -1;
        return Default(Slots.Positions, layer, site);
    }

    /// <inheritdoc/>
    public IPositionTable? CreatePositionTable(LayerContext embedding)
    {
        // Encodings of attention ask for heads, which an embedding has not; one head as wide as the model serves to look whether there is a table.
        positionSite ??= new PositionSite(embedding, 1, embedding.ModelDim);
        foreach (var candidate in plan.LastFirst(Slots.Positions))
        {
            if (Encoding(candidate, positionSite)?.CreateTable(embedding) is not { } made)
                continue;
            table = candidate.Index;
            HasPositionTable = true;
            return made;
        }
        return null;
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

    /// <summary>Makes the dictionaries that the configuration wants for a layer's activations, in their order.</summary>
    internal IReadOnlyList<IDictionary> CreateDictionaries(int layer, DictionarySite site) =>
        [.. plan.Components.Where(component => component.Entry.Slot == Slots.Dictionary && component.Entry.AppliesTo(layer)).Select(component => component.Create<IDictionary>(site))];

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
                : entry.Slot == Slots.Positions && component.Index != table && !encodings.ContainsValue(component.Index) && !IsOvershadowed(component);
            if (isLost)
                throw new ConfigurationException(path, $"nothing {(entry.Layers is { } layers ? $"in layers {string.Join(", ", layers)}" : "in this model")} asks for {(entry.Slot == Slots.Mask ? "a mask" : "positions")}, so '{entry.Kind}' has nothing to act on; add attention layers or drop it.");
        }
    }

    // Whether a later entry took its place.
    private bool IsOvershadowed(PlannedComponent component) =>
        positionSite is { } site && Encoding(component, site) is { } encoding && IsOfEmbedding(encoding)
            ? table > component.Index
            : encodings.Any(place => component.Entry.AppliesTo(place.Key) && place.Value > component.Index);

    // The embedding's table and the scores of attention are two places: what acts at one leaves the other as it is.
    private static bool IsOfEmbedding(PositionEncoding encoding) => !encoding.ActsOnScores && encoding is not NoPositions;

    // Null where it cannot be made for the place; the layer that asks for it says why.
    private static PositionEncoding? Encoding(PlannedComponent component, PositionSite site)
    {
        try
        {
            return component.Create<PositionEncoding>(site);
        }
        catch (ConfigurationException)
        {
            return null;
        }
    }

    private TPart Default<TPart, TPlace>(Slot<TPart, TPlace> slot, int layer, TPlace place)
        where TPart : class
        where TPlace : class
    {
        var kind = CoreKinds.Default(slot, Options.IsBidirectional)
            ?? throw new ConfigurationException("$.components", $"layer {layer} has no {slot}; add one for it, e.g. AddAttention().");
        if (place is not LinearSite { Path: LinearSite.Head }) // which what is listed for all linears would not reach
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
