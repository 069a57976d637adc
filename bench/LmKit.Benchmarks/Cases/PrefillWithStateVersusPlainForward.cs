using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A prompt read into a new state, ready to go on from, against the same forward pass without a state.</summary>
internal static class PrefillWithStateVersusPlainForward
{
    private const long modelDim = 256;
    private const long length = 2048;
    private const long batch = 4;
    private const double target = 0.87; // 1 / 1.15

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        new($"Prefill with state vs plain forward: H3 layer d={modelDim} L={length} B={batch}", target, target, PrepareLayer),
        new($"Prefill with state vs plain forward: hybrid of 4 layers d={modelDim} L={length} B={batch}", target, target, PrepareHybrid),
    ];

    private static RatioSides PrepareLayer(Generator random)
    {
        var builder = new LanguageModelBuilder { VocabSize = 2, ModelDim = modelDim, LayerCount = 1 };
        var mixer = new H3Mixer(new H3Options(), builder.CreateLayerContext(0, random));
        mixer.eval();
        return Sides(mixer, mixer.NewState, randn(batch, length, modelDim, generator: random));
    }

    private static RatioSides PrepareHybrid(Generator random)
    {
        var builder = new LanguageModelBuilder { VocabSize = 256, ModelDim = modelDim, LayerCount = 4 };
        var model = builder.AddH3().AddAttention(attention => attention.HeadCount = 4, layers: [1]).Build();
        model.eval();
        return Sides(model, model.NewState, randint(0, 256, [batch, length], dtype: ScalarType.Int64, generator: random));
    }

    private static RatioSides Sides(nn.Module<Tensor, SequenceContext?, Tensor> layer, Func<long, MixerState> newState, Tensor input)
    {
        return new RatioSides(Plain, WithState, layer, input);

        Tensor[] Plain()
        {
            using var frozen = no_grad();
            return [layer.call(input, null)];
        }

        Tensor[] WithState()
        {
            using var frozen = no_grad();
            using var state = newState(batch);
            return [layer.call(input, new SequenceContext(state))];
        }
    }
}
