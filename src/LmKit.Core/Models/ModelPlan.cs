using System.Globalization;

namespace LmKit;

/// <summary>A configuration resolved against the known kinds: every entry's kind and validated options, and who wins which place.</summary>
/// <remarks>Immutable and pure: it answers the same whatever was built from it; <see cref="ModelBuild"/> notes what one building asked for.</remarks>
internal sealed class ModelPlan
{
    private readonly PlannedComponent[] components;
    private readonly ILookup<Slot, PlannedComponent> bySlot;

    internal ModelPlan(ModelConfig config, ComponentRegistry registry)
    {
        Options = config.ReadOptions();
        if (Options.Initializer != WeightInitializer.Normal && Options.InitializerRange != new LanguageModelOptions().InitializerRange)
            throw new ConfigurationException("$.model.initializer_range", string.Create(CultureInfo.InvariantCulture, $"{nameof(LanguageModelOptions)}.{nameof(Options.InitializerRange)} = {Options.InitializerRange} ($.model.initializer_range) has no effect under {nameof(Options.Initializer)} = {Options.Initializer} ($.model.initializer); leave it at its default."));
        components = [.. config.Components.Select((entry, index) => Resolve(entry, index, registry))];
        bySlot = components.ToLookup(component => component.Entry.Slot);
    }

    internal LanguageModelOptions Options { get; }

    internal IReadOnlyList<PlannedComponent> Components => components;

    /// <summary>The component that wins a layer's slot, or null where none was added.</summary>
    internal PlannedComponent? Winner(Slot slot, int layer) => LastFirst(slot, layer).FirstOrDefault();

    /// <summary>The component that wins a slot of which there is one, or what applies to the whole model.</summary>
    internal PlannedComponent? Winner(Slot slot) => LastFirst(slot).FirstOrDefault();

    /// <summary>The components of a slot that apply to a layer, the last one first.</summary>
    internal IEnumerable<PlannedComponent> LastFirst(Slot slot, int layer) => bySlot[slot].Reverse().Where(component => component.Entry.AppliesTo(layer));

    /// <summary>The components of a slot that apply to the whole model, the last one first.</summary>
    internal IEnumerable<PlannedComponent> LastFirst(Slot slot) => bySlot[slot].Reverse().Where(component => component.Entry.Layers is null);

    /// <summary>The components of a slot that apply to a linear's site, in their order; the last one wins, and wrappers all apply.</summary>
    internal IReadOnlyList<PlannedComponent> At(Slot slot, LinearSite site) => [.. bySlot[slot].Where(component => component.Entry.AppliesTo(site))];

    /// <summary>Whether the layers carry the same from call to call as another plan's, so that either's state serves both.</summary>
    internal bool CarriesAs(ModelPlan other) => this == other || (Options.LayerCount == other.Options.LayerCount && Enumerable.Range(0, Options.LayerCount).All(layer =>
        Carried(layer).SequenceEqual(other.Carried(layer))));

    private IEnumerable<(Kind? Kind, string? Options)> Carried(int layer) => new Slot[] { Slots.Block, Slots.Mixer, Slots.Mask, Slots.Positions }.Select(slot =>
    {
        var winner = Winner(slot, layer) ?? (CoreKinds.Default(slot, Options.IsBidirectional) is { } kind ? PlannedComponent.Assumed(kind) : null);
        return (winner?.Kind, winner is null ? null : OptionsJson.Write(winner.Options).ToJsonString());
    });

    /// <summary>The dictionaries of a layer's activations, in their order.</summary>
    internal IEnumerable<PlannedComponent> Dictionaries(int layer) => bySlot[Slots.Dictionary].Where(component => component.Entry.AppliesTo(layer));

    private PlannedComponent Resolve(ComponentEntry entry, int index, ComponentRegistry registry)
    {
        var path = $"$.components[{index}]";
        var kind = registry.Find(entry.Slot, entry.Kind, entry.Package, path, CoreKinds.All);
        // The model's last norm stands behind the last layer.
        var last = entry.Slot == Slots.Norm ? Options.LayerCount : Options.LayerCount - 1;
        if (entry.Layers is { } list && list.Length > last + 1)
            throw new ConfigurationException($"{path}.layers", $"{list.Length} layers are listed; this model has {Options.LayerCount}. List each once.");
        foreach (var layer in entry.Layers ?? [])
        {
            if (layer < 0 || layer > last)
                throw new ConfigurationException($"{path}.layers", $"{layer} is not a layer of this model; its layers are 0 to {Options.LayerCount - 1}.");
        }
        if (entry.Layers is not null && (entry.Slot.Scope == SlotScope.Model || kind == PositionComponents.Learned))
            throw new ConfigurationException($"{path}.layers", $"'{entry.Kind}' acts on the whole model, not in single layers; leave the layers out.");
        if (entry.Sites is not null && entry.Slot.Scope != SlotScope.Sites)
            throw new ConfigurationException($"{path}.sites", $"sites are those of linears, and '{entry.Kind}' is a {entry.Slot}; leave them out.");
        for (var site = 0; site < entry.Sites.GetValueOrDefault([]).Length; site++)
        {
            if (string.IsNullOrWhiteSpace(entry.Sites!.Value[site]))
                throw new ConfigurationException($"{path}.sites[{site}]", $"'{entry.Sites.Value[site]}' names no linear; a site is a name such as q_proj or mlp.*.");
        }
        return new PlannedComponent(index, path, entry, kind, OptionsJson.Read(entry.Frozen, kind.OptionsType, $"{path}.options"));
    }
}

/// <summary>An entry of a configuration with its kind and its options.</summary>
internal sealed record PlannedComponent(int Index, string Path, ComponentEntry Entry, Kind Kind, object Options)
{
    /// <summary>A component that nothing in the configuration names.</summary>
    internal static PlannedComponent Assumed(Kind kind)
    {
        var options = Activator.CreateInstance(kind.OptionsType)!;
        return new(-1, "$.components", new ComponentEntry(kind.Slot, kind.Name, kind.Package, OptionsJson.Write(options)), kind, options);
    }

    internal TPart Create<TPart>(object place)
        where TPart : class
    {
        try
        {
            return ((Kind<TPart>)Kind).Create(Options, place) ?? throw new ConfigurationException(Path, $"the {Kind} made nothing (null); a kind makes its part, or says why it cannot.");
        }
        catch (Exception error) when (BuildFault.IsOfOptions(error))
        {
            throw BuildFault.From(Kind, Index < 0 ? null : $"{Path}.options", error);
        }
    }
}
