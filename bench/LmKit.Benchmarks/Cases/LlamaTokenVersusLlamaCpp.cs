using LmKit.Benchmarks.Decoding;
using LmKit.Benchmarks.LlamaCpp;
using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A token of a LLaMA-shaped model after a context, packed float32 weights, against llama.cpp with the same weights, one thread each.</summary>
/// <remarks>Both sides must first choose the same tokens, with all of llama.cpp in float32; then it is timed so, or with its defaults, which
/// round keys and values to float16. They share a process: with one thread each, neither starts a pool that the other would have to share
/// cores with.</remarks>
internal static class LlamaTokenVersusLlamaCpp
{
    private const int tokens = 16;
    private const double target = 1 / 1.1;
    private const double exact = 1e-4;      // twelve layers of float32 in another order of sums
    private const double rounded = 2e-2;

    /// <summary>134M parameters: the sizes of GPT-2 small in LLaMA's form.</summary>
    internal static LlamaShape Shape { get; } = new(LayerCount: 12, ModelDim: 768, HeadCount: 12, KeyValueHeadCount: 12, MlpDim: 2048, VocabSize: 32_000);

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        Case(64, keyHeads: 12),
        Case(1000, keyHeads: 12),
        Case(1000, keyHeads: 12, hasDefaults: true),
        Case(64, keyHeads: 4),
        Case(1000, keyHeads: 4),
    ];

    private static RatioCase Case(int context, int keyHeads, bool hasDefaults = false)
    {
        var shape = Shape with { KeyValueHeadCount = keyHeads };
        var name = $"LLaMA token vs llama.cpp{(hasDefaults ? " with its float16 keys" : "")}: after {context}, {shape.Sizes}, one thread";
        return new RatioCase(name, target, target, random => Prepare(name, random, shape, context, hasDefaults))
        {
            Tolerance = hasDefaults ? rounded : exact,
            Hindrance = LlamaCppLibrary.Problem,
        };
    }

    private static RatioSides Prepare(string name, Generator random, LlamaShape shape, int context, bool hasDefaults)
    {
        set_num_threads(1);
        var model = shape.Build(random, isPacked: true);
        var llamaCpp = new LlamaCppModel(model, shape, (uint)(context + LlamaTokenVersusLlamaCpp.tokens + 1));
        var text = shape.Text(random, context + 1);
        var (theirs, ours) = (Read(llamaCpp.NewExactDecoder(), text), Read(new LanguageModelDecoder(model), text));
        var tokens = GreedyAgreement.Require(name, theirs, ours, text[^1], LlamaTokenVersusLlamaCpp.tokens, exact);
        if (hasDefaults)
        {
            theirs.Dispose();
            theirs = Read(llamaCpp.NewDefaultDecoder(), text);
        }

        return new RatioSides(new RepeatedDecoding(theirs, tokens).Step, new RepeatedDecoding(ours, tokens).Step, theirs, ours, llamaCpp, model);
    }

    // Takes in all of a text but its last token.
    private static IDecoder Read(IDecoder decoder, long[] text)
    {
        decoder.Read(text[..^1]);
        return decoder;
    }
}
