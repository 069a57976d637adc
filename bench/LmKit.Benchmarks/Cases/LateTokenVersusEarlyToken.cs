using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A token of a pure H3 model after a long context (ours) against one after a short context (baseline): the time does not grow.</summary>
/// <remarks>The sides continue different texts: only the shapes of their logits are compared.</remarks>
internal static class LateTokenVersusEarlyToken
{
    private const int layers = 8;
    private const long modelDim = 256;
    private const long vocabSize = 256;
    private const long early = 64;
    private const long late = 4096;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        new($"H3 token after {late} vs after {early}: {layers} layers of width {modelDim}", 1 / 1.15, 1 / 1.15, Prepare) { IsSameComputation = false },
    ];

    private static RatioSides Prepare(Generator random)
    {
        using var frozen = no_grad();
        var model = new LanguageModelBuilder { VocabSize = vocabSize, ModelDim = modelDim, LayerCount = layers }.AddH3().Build();
        var prompt = randint(0, vocabSize, [1, LateTokenVersusEarlyToken.late], dtype: ScalarType.Int64, generator: random);
        var token = prompt.narrow(1, 0, 1);
        var (early, late) = (After(LateTokenVersusEarlyToken.early), After(LateTokenVersusEarlyToken.late));
        return new RatioSides(() => Step(early), () => Step(late), model, prompt, token, early, late);

        MixerState After(long context)
        {
            var state = model.NewState(1);
            model.call(prompt.narrow(1, 0, context), new SequenceContext(state)).Dispose();
            return state;
        }

        Tensor[] Step(MixerState state)
        {
            using var quiet = no_grad();
            return [model.call(token, new SequenceContext(state))];
        }
    }
}
