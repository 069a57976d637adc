namespace LmKit;

/// <summary>Scores of an intervention from mean logit differences (Makelov et al. 2024, test 1); NaN where there is nothing to divide by.</summary>
/// <param name="Sufficiency">LD(intervention) / LD(clean).</param>
/// <param name="Recovered">|LD(intervention) - LD(ablated)| / |LD(clean) - LD(ablated)|, as the authors print it: an overshoot looks like
/// more than 1 and a wrong sign is hidden.</param>
/// <param name="SignedRecovered">The same without the absolute values.</param>
/// <param name="Necessity">1 - |LD(ablated) - LD(intervention)| / |LD(ablated) - LD(clean)|; NaN when the denominator is
/// below 5 % of |LD(clean)|.</param>
/// <param name="IsIllConditioned">Whether that denominator is below 10 % of |LD(clean)|: ablation changes so little that its removal says
/// little.</param>
public sealed record LogitDifferenceScore(double Sufficiency, double Recovered, double SignedRecovered, double Necessity, bool IsIllConditioned)
{
    /// <summary>Standard error of <see cref="Sufficiency"/> over prompts; NaN where it is not known.</summary>
    public double SufficiencyError { get; init; } = double.NaN;

    /// <summary>Standard error of <see cref="SignedRecovered"/> over prompts, and of <see cref="Necessity"/>, which is 1 less its size.</summary>
    public double RecoveredError { get; init; } = double.NaN;

    private const double UndefinedLimit = 0.05;
    private const double ConditionLimit = 0.1;

    /// <summary>Makes the scores of one intervention.</summary>
    /// <param name="clean">LD of the clean run.</param>
    /// <param name="ablated">LD under mean ablation.</param>
    /// <param name="intervention">LD under the intervention.</param>
    public static LogitDifferenceScore Of(double clean, double ablated, double intervention)
    {
        var span = clean - ablated;
        return new(
            Shares.Of(intervention, clean),
            Shares.Of(Math.Abs(intervention - ablated), Math.Abs(span)),
            Shares.Of(intervention - ablated, span),
            Math.Abs(span) < UndefinedLimit * Math.Abs(clean) ? double.NaN : 1 - Shares.Of(Math.Abs(ablated - intervention), Math.Abs(span)),
            Math.Abs(span) < ConditionLimit * Math.Abs(clean) || span == 0);
    }

    /// <summary>Makes the scores of one intervention, with their errors, from the logit differences of each prompt.</summary>
    /// <remarks>The scores are quotients of means over the same prompts, so their errors are those of a ratio of sums.</remarks>
    /// <param name="clean">Of the clean runs.</param>
    /// <param name="ablated">Under mean ablation.</param>
    /// <param name="intervention">Under the intervention.</param>
    /// <exception cref="ArgumentException">The lists are empty or differ in length.</exception>
    public static LogitDifferenceScore OfPrompts(IReadOnlyList<double> clean, IReadOnlyList<double> ablated, IReadOnlyList<double> intervention)
    {
        ArgumentNullException.ThrowIfNull(clean);
        ArgumentNullException.ThrowIfNull(ablated);
        ArgumentNullException.ThrowIfNull(intervention);
        if (clean.Count == 0 || ablated.Count != clean.Count || intervention.Count != clean.Count)
            throw new ArgumentException($"Each prompt has three differences; got {clean.Count} clean, {ablated.Count} ablated and {intervention.Count} under the intervention.", nameof(intervention));
        double[] spans = [.. clean.Zip(ablated, (one, other) => one - other)];
        double[] moves = [.. intervention.Zip(ablated, (one, other) => one - other)];
        return Of(clean.Average(), ablated.Average(), intervention.Average()) with
        {
            SufficiencyError = Estimate.OfRatio(intervention, clean, clean.Count, "prompts", "").StandardError,
            RecoveredError = Estimate.OfRatio(moves, spans, clean.Count, "prompts", "").StandardError,
        };
    }
}
