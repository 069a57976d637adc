using System.Globalization;
using System.Text;
using static TorchSharp.torch;

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

/// <summary>A model's quality over the number of sampling steps: what a distillation is judged by, teacher beside student.</summary>
/// <param name="Name">Whose curve it is.</param>
/// <param name="Points">One quality for each number of steps, fewest steps first.</param>
public sealed record QualityCurve(string Name, IReadOnlyList<SampleQuality> Points)
{
    /// <summary>Measures a curve.</summary>
    /// <param name="name">Whose curve it is.</param>
    /// <param name="sampler">The sampler for a number of steps.</param>
    /// <param name="stepCounts">The numbers of steps.</param>
    /// <param name="judge">Judges the samples.</param>
    /// <param name="count">Samples of each point.</param>
    /// <param name="length">Tokens L of a sample.</param>
    /// <param name="seed">Seed of the draws, the same for each point.</param>
    /// <param name="device">The device of the samplers' model; null for the CPU.</param>
    public static QualityCurve Measure(string name, Func<int, ISampler> sampler, IEnumerable<int> stepCounts, SampleJudge judge, long count, long length, ulong seed, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentNullException.ThrowIfNull(stepCounts);
        ArgumentNullException.ThrowIfNull(judge);
        return new QualityCurve(name, [.. stepCounts.Order().Select(steps => judge.Measure(sampler(steps), steps, count, length, seed, device))]);
    }

    /// <summary>The point of a number of steps.</summary>
    /// <exception cref="ArgumentException">It was not measured.</exception>
    public SampleQuality At(int stepCount) => Points.FirstOrDefault(point => point.StepCount == stepCount)
        ?? throw new ArgumentException($"{Name} was not measured at {stepCount} steps but at {string.Join(", ", Points.Select(point => point.StepCount))}.", nameof(stepCount));

    /// <summary>A Markdown table: a row for each number of steps, and for each curve perplexity / divergence / entropy, each with its
    /// standard error over samples where that is known.</summary>
    public static string Table(IReadOnlyList<QualityCurve> curves)
    {
        ArgumentNullException.ThrowIfNull(curves);
        var text = new StringBuilder();
        text.Append("| steps | ").AppendJoin(" | ", curves.Select(curve => curve.Name)).Append(" |\n|").AppendJoin("|", Enumerable.Repeat("---", curves.Count + 1)).Append("|\n");
        foreach (var steps in curves.SelectMany(curve => curve.Points).Select(point => point.StepCount).Distinct().Order())
            text.Append(CultureInfo.InvariantCulture, $"| {steps} | ").AppendJoin(" | ", curves.Select(curve => Cell(curve.Points.FirstOrDefault(point => point.StepCount == steps)))).Append(" |\n");
        return text.ToString();

        static string Cell(SampleQuality? quality) => quality is null
            ? ""
            : string.Create(CultureInfo.InvariantCulture, $"{quality.Perplexity,0:F2}{Error(quality.PerplexityError, "F2")} / {quality.Divergence:F4}{Error(quality.DivergenceError, "F4")} / {quality.Entropy:F3}{Error(quality.EntropyError, "F3")}");

        static string Error(double error, string format) => double.IsNaN(error) ? "" : " +- " + error.ToString(format, CultureInfo.InvariantCulture);
    }
}
