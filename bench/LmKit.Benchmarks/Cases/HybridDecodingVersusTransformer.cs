using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>Tokens decoded after a context by an H3 hybrid (8 layers of width 256, attention in one, dense float32 weights), against a
/// Transformer of the same sizes from library operations.</summary>
/// <remarks>The sides are different models: only the shapes of their logits are compared. A call is 64 tokens from the context on; ours
/// begins with a fork of the prompt's state, whose cost it carries.</remarks>
internal static class HybridDecodingVersusTransformer
{
    private const int layers = 8;
    private const int attentionLayer = 4;
    private const long modelDim = 256;
    private const int heads = 4;
    private const long vocabSize = 256;
    private const int tokens = 64;

    internal static IReadOnlyList<RatioCase> Cases { get; } = [Case(256, target: 1), Case(1024, target: 1), Case(4096, target: 1.5)];

    private static RatioCase Case(long context, double target) =>
        new($"H3 hybrid vs Transformer: {tokens} tokens decoded after {context}, {layers} layers of width {modelDim}", target, target, random => Prepare(random, context))
        {
            IsSameComputation = false,
        };

    private static RatioSides Prepare(Generator random, long context)
    {
        using var frozen = no_grad();
        var transformer = new PlainTransformer(random, layers, modelDim, heads, vocabSize, context + tokens);
        var hybrid = new LanguageModelBuilder { VocabSize = vocabSize, ModelDim = modelDim, LayerCount = layers }
            .AddH3()
            .AddAttention(attention => attention.HeadCount = heads, layers: [attentionLayer])
            .Build();
        var prompt = randint(0, vocabSize, [1, context], dtype: ScalarType.Int64, generator: random);
        var (token, row) = (prompt.narrow(1, 0, 1), zeros(1, dtype: ScalarType.Int64));
        var state = hybrid.NewState(1);
        hybrid.call(prompt, new SequenceContext(state)).Dispose();
        return new RatioSides(Transformer, Hybrid, transformer, hybrid, state, prompt, token, row);

        Tensor[] Transformer() => Decode(at => transformer.Step(token, context + at));

        Tensor[] Hybrid()
        {
            using var fork = state.Fork(row);
            return Decode(_ => hybrid.call(token, new SequenceContext(fork)));
        }
    }

    private static Tensor[] Decode(Func<long, Tensor> step)
    {
        using var frozen = no_grad();
        for (var at = 0; at < tokens - 1; at++)
            step(at).Dispose();

        return [step(tokens - 1)];
    }
}
