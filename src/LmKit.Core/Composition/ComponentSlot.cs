namespace LmKit;

/// <summary>The places of a model that a component can fill or wrap.</summary>
public enum ComponentSlot
{
    /// <summary>The sequence mixer of a layer.</summary>
    Mixer,

    /// <summary>The attention mask of a layer.</summary>
    Mask,

    /// <summary>The feed-forward part of a layer.</summary>
    FeedForward,

    /// <summary>The norms of the model.</summary>
    Norm,

    /// <summary>The linear maps of mixers and feed-forward parts, by site.</summary>
    Linear,

    /// <summary>Wrappers around linear maps; the first added is the outermost.</summary>
    LinearWrapper,

    /// <summary>The sampler.</summary>
    Sampler,
}
