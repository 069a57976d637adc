namespace LmKit;

/// <summary>One model's rating with its interval.</summary>
/// <param name="Model">The model.</param>
/// <param name="Elo">On the Elo scale, the mean of all models at 1000.</param>
/// <param name="Interval">From resamples of whole questions; null where nothing valid was judged.</param>
/// <param name="WinRate">Share of its points in all its games; a strong verdict counts three times. Null where nothing valid was judged.</param>
/// <param name="WinRateInterval">Its interval.</param>
/// <param name="Categories">Win rates by category.</param>
/// <param name="MeanLength">Mean length of its answers in characters.</param>
public sealed record RatedModel(
    string Model,
    double Elo,
    BootstrapInterval? Interval,
    double? WinRate,
    BootstrapInterval? WinRateInterval,
    IReadOnlyDictionary<string, double> Categories,
    double MeanLength);
