using LmKit.Conformance;
using Xunit.Abstractions;

namespace LmKit.Core.Tests;

/// <summary>Tiny tokenizers with what the official library makes of texts.</summary>
[GoldenArea("core/tokenizers")]
public class GoldenTokenizersTests(ITestOutputHelper output) : GoldenSuite(output)
{
    private const string NoReader = "no reader of tokenizer.json is in Core";

    protected override IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; } = new Dictionary<string, Action<GoldenCase>>();

    protected override IReadOnlyDictionary<string, string> Missing { get; } =
        ((string[])["added-flags", "bert-wordpiece", "bpe-suffix", "chardelim", "gemma", "gpt2", "llama2", "llama3", "qwen2", "split-", "t5-unigram", "unigram"]).ToDictionary(kind => kind, _ => NoReader);
}
