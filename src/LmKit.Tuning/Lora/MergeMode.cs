namespace LmKit;

/// <summary>What merging does with an adapter on a layer that is not dense.</summary>
public enum MergeMode
{
    /// <summary>Leaves the adapter beside the structured layer.</summary>
    KeepAdapter,

    /// <summary>Computes with the dense sum of both from then on, at a dense layer's cost.</summary>
    Densify,
}
