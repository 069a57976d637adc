namespace LmKit;

/// <summary>How noise times and loss weights are paired; all are the same bound in expectation.</summary>
public enum LossWeighting
{
    /// <summary>Uniform times, weight (d sigma / dt) / (e^sigma - 1).</summary>
    Elbo,

    /// <summary>Times drawn so that the weight is constant (official option "importance_sampling").</summary>
    Importance,

    /// <summary>The masked share itself is drawn and the network is conditioned on t (official option "change_of_variables").</summary>
    ChangeOfVariables,
}
