using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A token of a pure H3 model after a long context (ours) against one after a short context (baseline): the time does not grow.</summary>
/// <remarks>The sides continue different texts: only the shapes of their logits are compared.</remarks>
internal static class LateTokenVersusEarlyToken
{
    private const int _layers = 8;
    private const long _modelDim = 256;
    private const long _vocabSize = 256;
    private const long _early = 64;
    private const long _late = 4096;

    public static IReadOnlyList<RatioCase> Cases { get; } =
    [
        new($"H3 token after {_late} vs after {_early}: {_layers} layers of width {_modelDim}", 1 / 1.15, 1 / 1.15, Prepare) { IsSameComputation = false },
    ];

    private static RatioSides Prepare(Generator random)
    {
        using var frozen = no_grad();
        var model = new LanguageModelBuilder { VocabSize = _vocabSize, ModelDim = _modelDim, LayerCount = _layers }.AddH3().Build();
        var prompt = randint(0, _vocabSize, [1, _late], dtype: ScalarType.Int64, generator: random);
        var token = prompt.narrow(1, 0, 1);
        var (early, late) = (After(_early), After(_late));
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
