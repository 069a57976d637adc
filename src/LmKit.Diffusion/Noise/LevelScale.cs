namespace LmKit;

/// <summary>On which scale a network with time conditioning is told how noisy its input is, in training and sampling alike.</summary>
public enum LevelScale
{
    /// <summary>The total noise sigma(t): the plain bound and importance sampling.</summary>
    TotalNoise,

    /// <summary>The time t of the change of variables, ln(masked share) = (1 - t) f_0 + t f_T: <see cref="LossWeighting.ChangeOfVariables"/>.</summary>
    Time,
}
