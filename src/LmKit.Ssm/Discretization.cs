namespace LmKit;

/// <summary>How a continuous diagonal state space becomes a recurrence with time step dt; z = dt a.</summary>
public enum Discretization
{
    /// <summary>(1 + z/2) / (1 - z/2) and dt b / (1 - z/2): the default of H3 and of all its published checkpoints.</summary>
    Bilinear,

    /// <summary>Zero-order hold, e^z and b (e^z - 1) / a: the default of the S4D paper.</summary>
    Zoh,

    /// <summary>The kernel of DSS, normalised over its length; it has no recurrence, so no state can be carried.</summary>
    Dss,
}
