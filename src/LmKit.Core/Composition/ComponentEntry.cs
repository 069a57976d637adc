using System.Collections.Immutable;
using System.ComponentModel;
using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>One line of a configuration: a component, its options, and where it applies.</summary>
/// <remarks>Immutable, and equal by value: entries are equal when their JSON texts are. Snapshot libraries that ask for a type converter
/// write that text.</remarks>
[TypeConverter(typeof(ToText))]
public sealed record ComponentEntry
{
    private readonly JsonObject options; // never changed and never handed out
    private readonly string text;

    /// <summary>Makes an entry.</summary>
    /// <param name="slot">The slot that it fills or wraps.</param>
    /// <param name="kind">The kind's name.</param>
    /// <param name="package">The package that brings the kind.</param>
    /// <param name="options">The options as JSON; copied.</param>
    /// <param name="layers">The layers it applies to; null for all.</param>
    /// <param name="sites">The site patterns it applies to (<see cref="LinearSite.Matches"/>); null for all linears of layers.</param>
    public ComponentEntry(Slot slot, string kind, string package, JsonObject options, ImmutableArray<int>? layers = null, ImmutableArray<string>? sites = null)
    {
        ArgumentNullException.ThrowIfNull(slot);
        ArgumentNullException.ThrowIfNull(kind);
        ArgumentNullException.ThrowIfNull(package);
        ArgumentNullException.ThrowIfNull(options);
        if (layers is { IsDefault: true } || sites is { IsDefault: true })
            throw new ArgumentException($"The list of {(layers is { IsDefault: true } ? nameof(layers) : nameof(sites))} was never made; null stands for all of them.", layers is { IsDefault: true } ? nameof(layers) : nameof(sites));
        (Slot, Kind, Package, Layers, Sites) = (slot, kind, package, layers, sites);
        this.options = (JsonObject)options.DeepClone();
        text = ToJsonObject().ToJsonString(OptionsJson.Settings);
    }

    /// <summary>The slot it fills or wraps.</summary>
    public Slot Slot { get; }

    /// <summary>The kind's name.</summary>
    public string Kind { get; }

    /// <summary>The package that brings the kind.</summary>
    public string Package { get; }

    /// <summary>A copy of the options.</summary>
    public JsonObject Options => (JsonObject)options.DeepClone();

    /// <summary>The layers it applies to; null for all.</summary>
    public ImmutableArray<int>? Layers { get; }

    /// <summary>The site patterns it applies to (<see cref="LinearSite.Matches"/>); null for all linears of layers.</summary>
    public ImmutableArray<string>? Sites { get; }

    /// <summary>The options themselves, only to be read.</summary>
    internal JsonObject Frozen => options;

    /// <summary>Whether it applies to a layer.</summary>
    public bool AppliesTo(int layer) => Layers is not { } layers || layers.Contains(layer);

    /// <summary>Whether it applies to a linear's site; the head and other linears outside the layers are reached by their paths alone.</summary>
    public bool AppliesTo(LinearSite site)
    {
        ArgumentNullException.ThrowIfNull(site);
        return site.IsOutsideLayers || site.Path == LinearSite.Head
            ? Layers is null && Sites is { } named && named.Contains(site.Path)
            : AppliesTo(site.LayerIndex) && (Sites is not { } sites || sites.Any(site.IsReachedBy));
    }

    /// <summary>Entries are equal when their JSON texts are.</summary>
    public bool Equals(ComponentEntry? other) => other is not null && text == other.text;

    /// <inheritdoc/>
    public override int GetHashCode() => text.GetHashCode(StringComparison.Ordinal);

    /// <summary>The entry as JSON text.</summary>
    public override string ToString() => text;

    /// <summary>The same with other options.</summary>
    internal ComponentEntry WithOptions(JsonObject other) => new(Slot, Kind, Package, other, Layers, Sites);

    internal JsonObject ToJsonObject() => new()
    {
        ["slot"] = Slot.Name,
        ["kind"] = Kind,
        ["package"] = Package,
        ["layers"] = Layers is { } layers ? new JsonArray([.. layers.Select(layer => (JsonNode)layer)]) : null,
        ["sites"] = Sites is { } sites ? new JsonArray([.. sites.Select(site => (JsonNode)site)]) : null,
        ["options"] = options.DeepClone(),
    };

    // The base class converts to text as ToString does.
    private sealed class ToText : TypeConverter;
}
