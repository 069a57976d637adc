namespace LmKit.Benchmarks.Ratios;

/// <summary>Ours and the baseline computed different results.</summary>
internal sealed class RatioDisagreementException(string message) : Exception(message);
