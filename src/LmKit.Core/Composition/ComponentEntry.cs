using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>One line of a configuration: a component, its options, and where it applies.</summary>
/// <param name="Slot">The slot it fills or wraps.</param>
/// <param name="Kind">The kind's name.</param>
/// <param name="Package">The package that brings the kind.</param>
/// <param name="Options">The options as JSON; never changed after construction.</param>
/// <param name="Layers">The layers it applies to; null for all.</param>
/// <param name="Sites">The site patterns it applies to (<see cref="LinearSite.Matches"/>); null for all.</param>
public sealed record ComponentEntry(
    ComponentSlot Slot,
    string Kind,
    string Package,
    JsonObject Options,
    ImmutableArray<int>? Layers = null,
    ImmutableArray<string>? Sites = null)
{
    /// <summary>Whether it applies to a layer.</summary>
    public bool AppliesTo(int layer) => Layers is not { } layers || layers.Contains(layer);

    /// <summary>Whether it applies to a linear's site.</summary>
    public bool AppliesTo(LinearSite site)
    {
        ArgumentNullException.ThrowIfNull(site);
        return AppliesTo(site.LayerIndex) && (Sites is not { } sites || sites.Any(site.Matches));
    }
}
