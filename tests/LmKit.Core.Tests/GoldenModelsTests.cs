using LmKit.Conformance;
using Xunit.Abstractions;

namespace LmKit.Core.Tests;

/// <summary>Published model families: tiny folders with what the official code computes from them.</summary>
[GoldenArea("core/models")]
public class GoldenModelsTests(ITestOutputHelper output) : GoldenSuite(output)
{
    private const string NoFamily = "no reader of this family's config.json and weights is in Core";

    protected override IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; } = new Dictionary<string, Action<GoldenCase>>();

    protected override IReadOnlyDictionary<string, string> Missing { get; } =
        ((string[])["bloom", "gemma2", "gemma3", "gpt2", "gptj", "llama", "mistral", "mpt", "neox", "olmo2", "phi3", "pythia", "qwen2", "qwen3"]).ToDictionary(family => family, _ => NoFamily);
}
