using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A prompt read into a new state, ready to go on from, against the same forward pass without a state.</summary>
internal static class PrefillWithStateVersusPlainForward
{
    private const long _modelDim = 256;
    private const long _length = 2048;
    private const long _batch = 4;
    private const double _target = 0.87; // 1 / 1.15

    public static IReadOnlyList<RatioCase> Cases { get; } =
    [
        new($"Prefill with state vs plain forward: H3 layer d={_modelDim} L={_length} B={_batch}", _target, _target, PrepareLayer),
        new($"Prefill with state vs plain forward: hybrid of 4 layers d={_modelDim} L={_length} B={_batch}", _target, _target, PrepareHybrid),
    ];

    private static RatioSides PrepareLayer(Generator random)
    {
        var builder = new LanguageModelBuilder { VocabSize = 2, ModelDim = _modelDim, LayerCount = 1 };
        var mixer = new H3Mixer(new H3Options(), builder.CreateLayerContext(0, random));
        mixer.eval();
        return Sides(mixer, mixer.NewState, randn(_batch, _length, _modelDim, generator: random));
    }

    private static RatioSides PrepareHybrid(Generator random)
    {
        var builder = new LanguageModelBuilder { VocabSize = 256, ModelDim = _modelDim, LayerCount = 4 };
        var model = builder.AddH3().AddAttention(attention => attention.HeadCount = 4, layers: [1]).Build();
        model.eval();
        return Sides(model, model.NewState, randint(0, 256, [_batch, _length], dtype: ScalarType.Int64, generator: random));
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
            using var state = newState(_batch);
            return [layer.call(input, new SequenceContext(state))];
        }
    }
}
