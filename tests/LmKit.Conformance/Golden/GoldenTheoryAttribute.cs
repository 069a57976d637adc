using Xunit;
using Xunit.Sdk;

namespace LmKit.Conformance;

/// <summary>A theory over <see cref="GoldenRowsAttribute"/> whose rows without a check are reported as skipped, each with its reason, and never as passed.</summary>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer("LmKit.Conformance.GoldenTheoryDiscoverer", "LmKit.Conformance")]
public sealed class GoldenTheoryAttribute : TheoryAttribute;
