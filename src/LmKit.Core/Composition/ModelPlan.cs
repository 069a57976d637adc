using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A configuration resolved against a registry: every entry's kind and validated options, and who wins which place.</summary>
internal sealed class ModelPlan
{
    private readonly List<PlannedComponent> components = [];
    private readonly HashSet<(int Component, string Site)> usedSites = [];
    private readonly List<string> sitesSeen = [];
    private readonly HashSet<int> layersWithMask = [];
    private readonly HashSet<ComponentKind> assumed = [];

    internal ModelPlan(ModelConfig config, ComponentRegistry registry)
    {
        Options = config.ReadOptions();
        for (var index = 0; index < config.Components.Length; index++)
        {
            var entry = config.Components[index];
            var path = $"$.components[{index}]";
            var kind = registry.Find(entry, path);
            if (entry.Layers is { } list && list.Length > Options.LayerCount)
                throw new ConfigurationException($"{path}.layers", $"{list.Length} layers are listed; this model has {Options.LayerCount}. List each once.");
            foreach (var layer in entry.Layers ?? [])
            {
                if (layer < 0 || layer >= Options.LayerCount)
                    throw new ConfigurationException($"{path}.layers", $"{layer} is not a layer of this model; its layers are 0 to {Options.LayerCount - 1}.");
            }
            components.Add(new PlannedComponent(index, path, entry, kind, OptionsJson.Read(entry.Options, kind.OptionsType, $"{path}.options")));
        }
    }

    internal LanguageModelOptions Options { get; }

    /// <summary>The same configuration with every default written out: options, and the components that building assumed.</summary>
    internal ModelConfig Config => new(
        Options,
        [.. assumed.OrderBy(kind => kind.Slot).Select(Assumed), .. components.Select(component => component.Entry with { Options = OptionsJson.Write(component.Options) })]);

    internal IMixer CreateMixer(LayerContext layer)
    {
        var chosen = Last(ComponentSlot.Mixer, layer.LayerIndex)
            ?? throw new ConfigurationException("$.components", $"layer {layer.LayerIndex} has no mixer; add one for it, e.g. AddAttention().");
        var mixer = chosen.Create<MixerKind, IMixer>(kind => kind.Create(chosen.Options, layer));
        if (mixer.IsCausal == Options.IsBidirectional)
        {
            throw new ConfigurationException(
                chosen.Path,
                $"'{chosen.Entry.Kind}' in layer {layer.LayerIndex} is {(mixer.IsCausal ? "causal" : "not causal")}, but is_bidirectional is {Options.IsBidirectional}.");
        }
        return mixer;
    }

    internal IAttentionMask CreateMask(LayerContext layer)
    {
        _ = layersWithMask.Add(layer.LayerIndex);
        return Last(ComponentSlot.Mask, layer.LayerIndex) is { } chosen
            ? chosen.Create<MaskKind, IAttentionMask>(kind => kind.Create(chosen.Options, layer))
            : Options.IsBidirectional ? Assume<MaskKind>(CoreKinds.BidirectionalMask).Create(new BidirectionalMaskOptions(), layer)
            : Assume<MaskKind>(CoreKinds.CausalMask).Create(new CausalMaskOptions(), layer);
    }

    internal nn.IModule<Tensor, Tensor> CreateFeedForward(LayerContext layer) =>
        Last(ComponentSlot.FeedForward, layer.LayerIndex) is { } chosen
            ? chosen.Create<FeedForwardKind, nn.IModule<Tensor, Tensor>>(kind => kind.Create(chosen.Options, layer))
            : Assume<FeedForwardKind>(CoreKinds.Mlp).Create(new MlpOptions(), layer);

    internal nn.IModule<Tensor, Tensor> CreateNorm(LayerContext layer) =>
        Last(ComponentSlot.Norm, layer.LayerIndex) is { } chosen
            ? chosen.Create<NormKind, nn.IModule<Tensor, Tensor>>(kind => kind.Create(chosen.Options, layer))
            : Assume<NormKind>(CoreKinds.LayerNorm).Create(new LayerNormOptions(), layer);

    internal ILinear CreateLinear(LinearSite site)
    {
        sitesSeen.Add(site.Path);
        var linear = Last(ComponentSlot.Linear, site) is { } chosen
            ? chosen.Create<LinearKind, ILinear>(kind => kind.Create(chosen.Options, site))
            : Assume<LinearKind>(CoreKinds.Dense).Create(new DenseLinearOptions(), site);
        foreach (var wrapper in Of(ComponentSlot.LinearWrapper).Where(wrapper => wrapper.Entry.AppliesTo(site)).Reverse())
        {
            MarkUsed(wrapper, site);
            linear = wrapper.Create<LinearWrapperKind, ILinear>(kind => kind.Create(wrapper.Options, linear, site));
        }
        return Checked(linear, site);
    }

    /// <summary>The head's linear: what a component puts at <see cref="LinearSite.Head"/> by name, dense otherwise.</summary>
    internal ILinear CreateHead(LinearSite site) =>
        NamingHead(site) is { } chosen ? Checked(chosen.Create<LinearKind, ILinear>(kind => kind.Create(chosen.Options, site)), site) : new DenseLinear(site);

    /// <summary>How a tied head keeps a packed copy of the embedding, or null for none.</summary>
    internal PackedLinearOptions? TiedHeadPacking(LinearSite site) => NamingHead(site) switch
    {
        null => null,
        { Kind: var kind } when kind == CoreKinds.Dense => null,
        { Options: PackedLinearOptions packing } => packing,
        var other => throw new ConfigurationException(other.Path, $"'{other.Entry.Kind}' cannot stand at {site.Path}: the head is the embedding. Only 'packed' and 'dense' can; or untie the head."),
    };

    internal ISampler CreateSampler(ILanguageModel model) =>
        Of(ComponentSlot.Sampler).LastOrDefault() is { } chosen
            ? chosen.Create<SamplerKind, ISampler>(kind => kind.Create(chosen.Options, model))
            : new AutoregressiveSampler(model, new AutoregressiveSamplerOptions());

    /// <summary>Fails for an entry that found no place: a pattern that names no site, a mask that no layer asks for.</summary>
    internal void CheckAllUsed()
    {
        foreach (var component in components)
        {
            foreach (var site in component.Entry.Sites ?? [])
            {
                if (usedSites.Contains((component.Index, site)))
                    continue;
                if (site == LinearSite.Head)
                    throw new ConfigurationException($"{component.Path}.sites", $"'{LinearSite.Head}' takes only a linear added for that very name, neither a wrapper nor anything with layers; '{component.Entry.Kind}' is {(component.Entry.Slot == ComponentSlot.LinearWrapper ? "a wrapper" : "given layers")}. Drop it from the sites{(component.Entry.Slot == ComponentSlot.LinearWrapper ? "" : ", or leave the layers out")}.");
                throw new ConfigurationException($"{component.Path}.sites", $"'{site}' names no linear of this model; it has {string.Join(", ", sitesSeen.Where(path => path != LinearSite.Head || component.Entry is { Slot: ComponentSlot.Linear, Layers: null }).Select(path => path[(path.LastIndexOf('.') + 1)..]).Distinct())}.");
            }
            if (component.Entry.Slot == ComponentSlot.Mask && !layersWithMask.Any(component.Entry.AppliesTo))
                throw new ConfigurationException(component.Path, $"no layer {(component.Entry.Layers is { } layers ? $"among {string.Join(", ", layers)}" : "of this model")} asks for a mask, so '{component.Entry.Kind}' has nothing to act on; add attention layers or drop the mask.");
        }
    }

    private static ILinear Checked(ILinear linear, LinearSite site)
    {
        if (linear.InFeatures == site.InFeatures && linear.OutFeatures == site.OutFeatures)
            return linear;
        throw new ConfigurationException("$.components", $"the linear at {site.Path} maps {linear.InFeatures} to {linear.OutFeatures} features; "
            + $"{site.InFeatures} to {site.OutFeatures} were asked for.");
    }

    private TKind Assume<TKind>(TKind kind)
        where TKind : ComponentKind
    {
        _ = assumed.Add(kind);
        return kind;
    }

    private static ComponentEntry Assumed(ComponentKind kind) =>
        new(kind.Slot, kind.Name, kind.Package, OptionsJson.Write(Activator.CreateInstance(kind.OptionsType)!));

    private IEnumerable<PlannedComponent> Of(ComponentSlot slot) => components.Where(component => component.Entry.Slot == slot);

    private PlannedComponent? Last(ComponentSlot slot, int layer) => Of(slot).LastOrDefault(component => component.Entry.AppliesTo(layer));

    private PlannedComponent? Last(ComponentSlot slot, LinearSite site)
    {
        PlannedComponent? last = null;
        foreach (var component in Of(slot).Where(component => component.Entry.AppliesTo(site)))
        {
            MarkUsed(component, site);
            last = component;
        }
        return last;
    }

    private PlannedComponent? NamingHead(LinearSite site)
    {
        sitesSeen.Add(site.Path);
        PlannedComponent? last = null;
        foreach (var component in Of(ComponentSlot.Linear).Where(component => component.Entry.AppliesTo(site) && component.Entry.Sites is { } sites && sites.Contains(site.Path)))
        {
            MarkUsed(component, site);
            last = component;
        }
        return last;
    }

    private void MarkUsed(PlannedComponent component, LinearSite site)
    {
        foreach (var pattern in (component.Entry.Sites ?? []).Where(site.Matches))
            usedSites.Add((component.Index, pattern));
    }

    private sealed record PlannedComponent(int Index, string Path, ComponentEntry Entry, ComponentKind Kind, object Options)
    {
        internal TPart Create<TKind, TPart>(Func<TKind, TPart> create)
            where TKind : ComponentKind
        {
            try
            {
                return create((TKind)Kind);
            }
            catch (Exception error) when (error is ArgumentException or NotSupportedException or ArithmeticException or ExternalException or OutOfMemoryException)
            {
                throw new ConfigurationException($"{Path}.options", $"{Entry.Kind}: {error.Message}", error);
            }
        }
    }
}
