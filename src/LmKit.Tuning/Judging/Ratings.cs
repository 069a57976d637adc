namespace LmKit;

/// <summary>Fitted ratings r with P(i beats j) = 1 / (1 + 10^(r_j - r_i)).</summary>
/// <param name="Natural">One for each model, mean 0.</param>
/// <param name="IsRegularized">Whether a penalty was needed since some models never lost to, or never beat, the others.</param>
/// <param name="Iterations">Newton steps taken.</param>
public sealed record Ratings(IReadOnlyList<double> Natural, bool IsRegularized, int Iterations)
{
    /// <summary>On the Elo scale: 1000 + 400 r.</summary>
    public IReadOnlyList<double> Elo => [.. Natural.Select(rating => 1000 + 400 * rating)];

    /// <summary>On the Elo scale, shifted so that one model has a given rating.</summary>
    public IReadOnlyList<double> Anchored(int model, double rating) => [.. Natural.Select(other => rating + 400 * (other - Natural[model]))];

    /// <summary>The probability that one model beats another.</summary>
    public double WinRate(int model, int other) => 1 / (1 + Math.Pow(10, Natural[other] - Natural[model]));
}
