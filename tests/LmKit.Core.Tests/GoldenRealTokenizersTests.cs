using LmKit.Conformance;
using Xunit.Abstractions;

namespace LmKit.Core.Tests;

/// <summary>Published vocabularies, which lie in packages, with what the official library makes of texts.</summary>
[GoldenArea("core/tokenizers-real")]
public class GoldenRealTokenizersTests(ITestOutputHelper output) : GoldenSuite(output)
{
    protected override IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; } = new Dictionary<string, Action<GoldenCase>>();

    protected override IReadOnlyDictionary<string, string> Missing { get; } = new Dictionary<string, string>
    {
        ["gpt2"] = "the cases are of the kinds of core/tokenizers, which nothing reads yet",
    };
}
