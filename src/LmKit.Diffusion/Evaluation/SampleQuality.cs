using System.Globalization;

namespace LmKit;

/// <summary>How good a set of samples is; read perplexity beside the others, since sharpening lowers it alone.</summary>
/// <remarks>Each figure has the standard error that it has over samples; NaN where it is not known. The divergence of few samples is also too large:
/// n-grams that they lack by chance add about (number of n-grams) / (8 times those counted) to it.</remarks>
/// <param name="StepCount">Sampling steps they were made in.</param>
/// <param name="SampleCount">Samples judged.</param>
/// <param name="Perplexity">Generative perplexity under the judge's scorer; null without one.</param>
/// <param name="Divergence">Jensen-Shannon divergence in nats of their n-grams from the reference's.</param>
/// <param name="Entropy">Mean entropy in nats of the tokens of a sample.</param>
/// <param name="DuplicateRate">Share of samples equal to an earlier one.</param>
public sealed record SampleQuality(int StepCount, long SampleCount, double? Perplexity, double Divergence, double Entropy, double DuplicateRate)
{
    /// <summary>Standard error of the perplexity.</summary>
    public double PerplexityError { get; init; } = double.NaN;

    /// <summary>Standard error of the divergence.</summary>
    public double DivergenceError { get; init; } = double.NaN;

    /// <summary>Standard error of the entropy.</summary>
    public double EntropyError { get; init; } = double.NaN;

    /// <summary>Standard error of the share of duplicates.</summary>
    public double DuplicateError => SampleCount <= 0 ? double.NaN : Estimate.OfShare(Math.Clamp((long)Math.Round(DuplicateRate * SampleCount), 0, SampleCount), SampleCount, "samples").StandardError;

    /// <summary>The three figures in a line, each with its error, and from how many samples they are.</summary>
    public override string ToString()
    {
        var perplexity = Perplexity is { } value ? string.Create(CultureInfo.InvariantCulture, $"perplexity {value:F2} +- {PerplexityError:F2}, ") : "";
        return string.Create(CultureInfo.InvariantCulture, $"{perplexity}divergence {Divergence:F4} +- {DivergenceError:F4}, entropy {Entropy:F3} +- {EntropyError:F3}, duplicates {DuplicateRate:P1} +- {DuplicateError:P1} of {SampleCount:N0} samples in {StepCount} steps");
    }
}
