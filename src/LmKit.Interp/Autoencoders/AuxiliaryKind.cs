namespace LmKit;

/// <summary>How dead features are taught to explain what the others leave.</summary>
public enum AuxiliaryKind
{
    /// <summary>dictionary_learning: a normalised squared error of the detached residual, no bias.</summary>
    Normalized,

    /// <summary>Lee et al. 2025: a plain mean squared error; the residual carries gradients too.</summary>
    Residual,

    /// <summary>SAELens: the dead features' pre-activations, negative ones too, are decoded with the bias.</summary>
    SaeLens,
}
