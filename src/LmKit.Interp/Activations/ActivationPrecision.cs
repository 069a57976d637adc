namespace LmKit;

/// <summary>How a store keeps activations on disk.</summary>
public enum ActivationPrecision
{
    /// <summary>Four bytes a value.</summary>
    Full,

    /// <summary>Two bytes, 11 significant bits, up to 65 504 in size; a larger value is refused.</summary>
    Half,

    /// <summary>Two bytes, 8 significant bits, any size.</summary>
    BrainHalf,
}
