namespace LmKit;

/// <summary>How good a set of samples is; read perplexity beside the others, since sharpening lowers it alone.</summary>
/// <param name="StepCount">Sampling steps they were made in.</param>
/// <param name="SampleCount">Samples judged.</param>
/// <param name="Perplexity">Generative perplexity under the judge's scorer; null without one.</param>
/// <param name="Divergence">Jensen-Shannon divergence in nats of their n-grams from the reference's.</param>
/// <param name="Entropy">Mean entropy in nats of the tokens of a sample.</param>
/// <param name="DuplicateRate">Share of samples equal to an earlier one.</param>
public sealed record SampleQuality(int StepCount, long SampleCount, double? Perplexity, double Divergence, double Entropy, double DuplicateRate);
