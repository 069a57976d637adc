namespace LmKit.Benchmarks.Ratios;

/// <summary>The process of a case ended without a result; the message says why.</summary>
internal sealed class CaseFailedException(string message) : Exception(message);
