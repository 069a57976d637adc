namespace LmKit;

/// <summary>The position encodings of <see cref="Attention"/>; a learned table belongs to the model's embedding instead.</summary>
public enum PositionKind
{
    /// <summary>None: the layers around it, or the causal mask, carry order (H3 hybrids).</summary>
    None,

    /// <summary>Rotary embedding of queries and keys.</summary>
    Rotary,

    /// <summary>Linear biases on the scores.</summary>
    Alibi,
}
