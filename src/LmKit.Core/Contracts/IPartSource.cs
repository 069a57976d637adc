namespace LmKit;

/// <summary>Where a component's parts come from while it is built: the configuration, resolved.</summary>
internal interface IPartSource
{
    /// <summary>Sizes and model-wide treatment.</summary>
    LanguageModelOptions Options { get; }

    /// <summary>Makes the part that the configuration wants in a slot of a layer.</summary>
    TPart Create<TPart, TPlace>(Slot<TPart, TPlace> slot, int layer, TPlace place)
        where TPart : class
        where TPlace : class;

    /// <summary>Makes the linear of a site with its wrappers.</summary>
    ILinear CreateLinear(LinearSite site);

    /// <summary>Whether the embedding adds a table of positions.</summary>
    bool HasPositionTable { get; }

    /// <summary>Makes the table of positions that the embedding adds; null for none.</summary>
    IPositionTable? CreatePositionTable(LayerContext embedding);
}
