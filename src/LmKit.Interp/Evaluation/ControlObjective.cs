namespace LmKit;

/// <summary>What a sparse edit should come close to.</summary>
public enum ControlObjective
{
    /// <summary>The counterfactual activation.</summary>
    Activation,

    /// <summary>Its reconstruction, starting from the clean one's.</summary>
    Reconstruction,
}
