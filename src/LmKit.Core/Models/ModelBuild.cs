using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One building of a model from its plan: makes the parts, and notes what was asked for, so that what found no place is refused.</summary>
/// <param name="plan">The plan.</param>
/// <param name="freshFrom">Wrappers of this index and beyond get initial values even where a checkpoint fills the rest; null for none.</param>
internal sealed class ModelBuild(ModelPlan plan, int? freshFrom = null) : IPartSource
{
    private const int DeepestNesting = 100;

    private readonly HashSet<(int Component, string Site)> usedSites = [];
    private readonly List<string> sitesSeen = [];
    private readonly HashSet<(Slot Slot, int Layer)> asked = [];
    private readonly Dictionary<int, int> encodings = []; // by layer, the component whose encoding its attention has; -1 for the default
    private int table = -1; // the component whose table the embedding has
    private PositionSite? positionSite;
    private readonly HashSet<PositionEncoding> lengthEncodings = []; // of attention, where angles depend on the length of the text
    private readonly HashSet<(string Option, int Layer)> obeyed = [];
    private readonly Dictionary<Kind, PlannedComponent> assumed = [];
    private int depth; // parts that are being made inside each other
    private readonly Dictionary<string, List<(int Component, ILinear Linear)>> wrapped = [];

    /// <inheritdoc/>
    public LanguageModelOptions Options => plan.Options;

    /// <inheritdoc/>
    public bool HasPositionTable { get; private set; }

    /// <inheritdoc/>
    public long? ConditionDim { get; private set; }

    /// <summary>The same configuration with every default written out: options, and the components that building assumed.</summary>
    /// <remarks>Dense linears are assumed for a head that no entry names, also where they are listed for the layers.</remarks>
    internal ModelConfig Config => new(
        Options,
        [.. assumed.Values.OrderBy(component => component.Kind.Slot.Order).Select(component => component.Entry).Except(Written.Components), .. Written.Components]);

    /// <summary>The configuration without what building assumed, with the options as they are now.</summary>
    internal ModelConfig Written => new(Options, [.. plan.Components.Select(component => component.Entry.WithOptions(OptionsJson.Write(component.Options)))]);

    /// <summary>The linears with wrappers, by site: the wrappers' places in the configuration with their modules, inner ones first; the wrapped linear itself has -1.</summary>
    internal IReadOnlyDictionary<string, List<(int Component, ILinear Linear)>> Wrapped => wrapped;

    internal ModelPlan Plan => plan;

    /// <summary>Whether texts of two lengths have the same positions in every layer.</summary>
    internal bool EncodesAlike(long length, long other) => lengthEncodings.All(encoding => encoding.ForLength(length) == encoding.ForLength(other));

    /// <summary>Whether a layer's part asked for a slot.</summary>
    internal bool IsAsked(Slot slot, int layer) => asked.Contains((slot, layer));

    /// <inheritdoc/>
    public TPart Create<TPart, TPlace>(Slot<TPart, TPlace> slot, int layer, TPlace place)
        where TPart : class
        where TPlace : class
    {
        _ = asked.Add((slot, layer));
        var chosen = (slot.Scope == SlotScope.Model ? plan.Winner(slot) : plan.Winner(slot, layer)) ?? Default(slot, layer);
        if (depth > DeepestNesting)
            throw new ConfigurationException(chosen.Path, $"the {chosen.Kind} asks for {What(slot)} of its own layer, which is itself; make that part without the layer's slot.");
        TPart part;
        try
        {
            depth++;
            part = chosen.Create<TPart>(place);
        }
        finally
        {
            depth--;
        }
        CheckModule(part is LanguageModelHead head ? head.Map : part, chosen);
        var isCausal = part is IMixer mixer ? mixer.IsCausal : part is IBlock block ? block.IsCausal : !Options.IsBidirectional;
        if (isCausal == Options.IsBidirectional)
        {
            throw new ConfigurationException(chosen.Path, $"the {slot} '{chosen.Entry.Kind}' in layer {layer} is {(isCausal ? "causal" : "not causal")}, "
                + $"but {nameof(LanguageModelOptions)}.{nameof(LanguageModelOptions.IsBidirectional)} = {(isCausal ? "true" : "false")} ($.model.is_bidirectional).");
        }
        if (place is HeadSite { IsTied: true, IsTableTaken: false })
            throw Tied($"the head '{chosen.Entry.Kind}' does not use the embedding's table");
        return part;
    }

    /// <inheritdoc/>
    public PositionEncoding CreatePositions(PositionSite site)
    {
        positionSite = site;
        var layer = site.Layer.LayerIndex;
        _ = asked.Add((Slots.Positions, layer));
        foreach (var candidate in plan.LastFirst(Slots.Positions, layer))
        {
            var encoding = candidate.Create<PositionEncoding>(site);
            if (IsOfEmbedding(encoding))
                continue;
            encodings[layer] = candidate.Index;
            if (encoding.DependsOnLength)
                _ = lengthEncodings.Add(encoding);
            return encoding;
        }
        encodings[layer] = -1;
        return Default(Slots.Positions, layer).Create<PositionEncoding>(site);
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
    public void Note(string option, int layer) => _ = obeyed.Add((option, layer));

    /// <inheritdoc/>
    public ILinear CreateLinear(LinearSite site)
    {
        sitesSeen.Add(site.IsOutsideLayers ? site.Path : site.Path[(site.Path.LastIndexOf('.') + 1)..]);
        var candidates = plan.At(Slots.Linear, site);
        foreach (var candidate in candidates)
            MarkUsed(candidate, site);
        var chosen = candidates.Count > 0 ? candidates[^1] : Default(Slots.Linear, site.LayerIndex);
        var linear = chosen.Create<ILinear>(site);
        CheckModule(linear, chosen);
        if (site.IsTied && !site.IsTableTaken)
        {
            (linear as IDisposable)?.Dispose();
            throw Tied($"'{chosen.Entry.Kind}' cannot stand at {site.Path}, because it does not use the embedding's table", chosen.Path, $", or leave {site.Path} out of the sites");
        }
        foreach (var wrapper in plan.At(Slots.LinearWrapper, site).Reverse())
        {
            MarkUsed(wrapper, site);
            if (!wrapped.TryGetValue(site.Path, out var chain))
                wrapped[site.Path] = chain = [(-1, linear)];
            linear = site.Parameters.Initializing(wrapper.Index >= freshFrom, () => wrapper.Create<ILinear>(new WrappedSite(linear, site)));
            chain.Add((wrapper.Index, linear));
            CheckModule(linear, chosen = wrapper);
        }
        if (linear.InFeatures == site.InFeatures && linear.OutFeatures == site.OutFeatures)
            return linear;
        throw new ConfigurationException(chosen.Path, $"the linear at {site.Path} maps {linear.InFeatures} to {linear.OutFeatures} features; "
            + $"{site.InFeatures} to {site.OutFeatures} were asked for.");
    }

    /// <summary>Makes the conditioning; null where none is configured.</summary>
    internal IConditioning? CreateConditioning(LayerContext place)
    {
        if (plan.Winner(Slots.Conditioning) is null)
            return null;
        var conditioning = Create(Slots.Conditioning, Options.LayerCount, place);
        ConditionDim = conditioning.ConditionDim;
        return conditioning;
    }

    /// <summary>Makes the sampler; a default one is not told of in the configuration.</summary>
    internal ISampler CreateSampler(ILanguageModel model) =>
        plan.Winner(Slots.Sampler)?.Create<ISampler>(model) ?? new AutoregressiveSampler(model, new AutoregressiveSamplerOptions());

    /// <summary>Fails for what found no place: a pattern that names no site, a part that no layer asks for, a dropout that nothing applies.</summary>
    internal void CheckAllUsed()
    {
        ModelConditioning.CheckTaken(plan, layer => obeyed.Contains((nameof(SequenceContext.Condition), layer)));
        CheckDropout(nameof(LanguageModelOptions.EmbeddingDropoutRate), "embedding_dropout_rate", Options.EmbeddingDropoutRate, Slots.Embedding, [Options.LayerCount]);
        CheckDropout(nameof(LanguageModelOptions.ResidualDropoutRate), "residual_dropout_rate", Options.ResidualDropoutRate, Slots.Block, Enumerable.Range(0, Options.LayerCount));
        foreach (var component in plan.Components)
        {
            var (entry, path) = (component.Entry, component.Path);
            foreach (var site in (entry.Sites ?? []).Where(site => !usedSites.Contains((component.Index, site))))
            {
                if (site == LinearSite.Head && entry.Layers is not null)
                    throw new ConfigurationException($"{path}.sites", $"'{site}' is not in a layer, but '{entry.Kind}' is given layers; add it for {site} by itself, without layers.");
                throw new ConfigurationException($"{path}.sites", $"'{site}' names no linear of this model; it has {string.Join(", ", sitesSeen.Distinct())}.");
            }
            var isLost = entry.Slot == Slots.Positions
                ? component.Index != table && !encodings.ContainsValue(component.Index) && !IsOvershadowed(component)
                : entry.Slot.Scope == SlotScope.Layers && entry.Slot != Slots.Dictionary && !asked.Any(place => place.Slot == entry.Slot && entry.AppliesTo(place.Layer));
            if (isLost)
            {
                throw new ConfigurationException(path, $"nothing {(entry.Layers is not { } layers ? "in this model" : layers.IsEmpty ? "in an empty list of layers" : $"in layers {string.Join(", ", layers)}")} asks for {What(entry.Slot)}, so '{entry.Kind}' has nothing to act on; "
                    + (entry.Slot == Slots.Mask || entry.Slot == Slots.Positions ? "add attention layers or drop it." : "drop it, or add a block that asks for one."));
            }
        }

    }

    private static string What(Slot slot) => slot == Slots.Positions ? "positions" : $"a {slot.Name.Replace('_', '-')}{(slot == Slots.FeedForward ? " part" : "")}";

    private void CheckDropout(string option, string jsonName, double rate, Slot slot, IEnumerable<int> layers)
    {
        foreach (var layer in layers.Where(layer => rate > 0 && !obeyed.Contains((option, layer))))
        {
            var place = $"$.model.{jsonName}";
            var kind = (slot.Scope == SlotScope.Model ? plan.Winner(slot) : plan.Winner(slot, layer)) ?? Default(slot, layer);
            throw new ConfigurationException(place, string.Create(CultureInfo.InvariantCulture, $"{nameof(LanguageModelOptions)}.{option} = {rate} ({place}): the {slot} '{kind.Entry.Kind}' does not apply it; set it to 0."));
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

    private PlannedComponent Default(Slot slot, int layer)
    {
        var kind = CoreKinds.Default(slot, Options.IsBidirectional)
            ?? throw new ConfigurationException("$.components", $"layer {layer} has no {slot}; add one for it, e.g. AddAttention().");
        if (!assumed.TryGetValue(kind, out var component))
            assumed[kind] = component = PlannedComponent.Assumed(kind);
        return component;
    }

    private static ConfigurationException Tied(string problem, string? path = null, string remedy = "")
    {
        const string Place = "$.model.tie_word_embeddings";
        return new(path ?? Place, $"{nameof(LanguageModelOptions)}.{nameof(LanguageModelOptions.IsHeadTied)} = true ({Place}), but {problem}; set it to false{remedy}.");
    }

    // What is no module would keep its parameters to itself. Masks, positions and samplers have none.
    private static void CheckModule(object part, PlannedComponent chosen)
    {
        if (part is not (IBlock or IMixer or IEmbedding or nn.IModule<Tensor, Tensor>) || part is nn.Module)
            return;
        throw new ConfigurationException(chosen.Path, $"{part.GetType().Name}, which the {chosen.Entry.Slot} '{chosen.Entry.Kind}' made, must derive from torch.nn.Module, so that its parameters are found.");
    }

    private void MarkUsed(PlannedComponent component, LinearSite site)
    {
        foreach (var pattern in (component.Entry.Sites ?? []).Where(site.IsReachedBy))
            _ = usedSites.Add((component.Index, pattern));
    }
}

/// <summary>Which errors of a part that is built are faults of its options, and what a configuration says of them.</summary>
internal static partial class BuildFault
{
    /// <summary>A fault with both names of the option: its name in C# gets its place in the file beside it.</summary>
    /// <param name="kind">The kind of the part.</param>
    /// <param name="path">Where its options stand; null for a part that nothing in the configuration names.</param>
    /// <param name="error">What building it threw.</param>
    internal static ConfigurationException From(Kind kind, string? path, Exception error)
    {
        var problem = Parameter().Replace(error.Message, "");
        foreach (Match named in Option().Matches(problem))
        {
            var (type, root) = named.Groups["type"].Value == nameof(LanguageModelOptions) ? (typeof(LanguageModelOptions), "$.model") : (kind.OptionsType, path);
            if (root is null || named.Groups["type"].Value != type.Name || type.GetProperty(named.Groups["name"].Value) is not { } property)
                continue;
            var place = $"{root}.{OptionsJson.JsonName(property)}{named.Groups["index"].Value}";
            return new ConfigurationException(place, problem.Insert(named.Index + named.Length, $" ({place})"), error);
        }
        return new ConfigurationException(path ?? "$.components", $"{kind.Name}: {problem}", error);
    }

    // What the runtime appends to an argument's error.
    [GeneratedRegex(@" \(Parameter '[^']*'\)(\r?\n.*)?", RegexOptions.CultureInvariant)]
    private static partial Regex Parameter();

    // Type.Name, an index, and the value.
    [GeneratedRegex(@"\b(?<type>\w+)\.(?<name>\w+)(?<index>\[\d+\])?( = (\[[^\]]*\]|'[^']*'|[^ ;,)]+))?", RegexOptions.CultureInvariant)]
    private static partial Regex Option();

    internal static bool IsOfOptions(Exception error) =>
        error is ArgumentException or NotSupportedException or ArithmeticException or ExternalException or OutOfMemoryException;
}
