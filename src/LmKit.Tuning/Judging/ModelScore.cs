namespace LmKit;

/// <summary>One model's score with its interval.</summary>
/// <param name="Model">The model.</param>
/// <param name="Score">The score; null where nothing valid was judged.</param>
/// <param name="Interval">From resamples of whole questions; null where nothing valid was judged.</param>
/// <param name="Count">Valid judgments behind it.</param>
/// <param name="Categories">Scores by category.</param>
/// <param name="MeanLength">Mean length of its answers in characters.</param>
public sealed record ModelScore(string Model, double? Score, BootstrapInterval? Interval, int Count, IReadOnlyDictionary<string, double> Categories, double MeanLength);
