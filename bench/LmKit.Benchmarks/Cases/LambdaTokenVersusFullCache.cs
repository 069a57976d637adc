using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>One decoded token through the attention layer under a Lambda mask, with rotary positions and its cache, but without
/// projections, against attention over a full cache of turned keys: allocated in advance, or grown by concatenation; and late against early.</summary>
/// <remarks>A full cache computes another result, and texts differ: only shapes are compared. The baselines write their token to the same
/// place each time, so that their cost does not grow while it is measured.</remarks>
internal static class LambdaTokenVersusFullCache
{
    private const int _heads = 4;
    private const long _width = 64;
    private const long _modelDim = _heads * _width;
    private const long _window = 512;
    private const long _starts = 10;
    private const long _early = 1024;
    private const long _late = 16_384;

    public static IReadOnlyList<RatioCase> Cases { get; } =
    [
        Case($"a preallocated full cache of turned keys: one token after {_late}", 10, random => new FullCache(random, _late, isGrown: false)),
        Case($"a full cache of turned keys grown by cat: one token after {_late}", 80, random => new FullCache(random, _late, isGrown: true)),
        Case($"itself after {_early}: one token after {_late}", 1 / 1.1, random => new Decoder(random, _early)),
    ];

    private static RatioCase Case(string beside, double target, Func<Generator, IStep> make) =>
        new($"Lambda decode with rotary vs {beside}, L {_window}, G {_starts}", target, target, random =>
        {
            var (baseline, ours) = (make(random), new Decoder(random, _late));
            return new RatioSides(baseline.Step, ours.Step, baseline, ours);
        })
        {
            IsSameComputation = false,
        };

    private interface IStep : IDisposable
    {
        Tensor[] Step();
    }

    private sealed class Decoder : IStep
    {
        private readonly Attention _attention;
        private readonly MixerState _state;
        private readonly Tensor _token;

        public Decoder(Generator random, long context)
        {
            using var frozen = no_grad();
            var layer = new LanguageModelBuilder { VocabSize = 2, ModelDim = _modelDim, LayerCount = 1 }
                .Add(PassThroughLinear.Kind)
                .AddRotary()
                .AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (_window, _starts))
                .CreateLayerContext(0, random);
            _attention = new Attention(new AttentionOptions { HeadCount = _heads }, layer);
            _attention.eval();
            _state = _attention.NewState(1);
            using var prompt = randn(1, context, _modelDim, generator: random);
            _attention.call(prompt, new SequenceContext(_state)).Dispose();
            _token = randn(1, 1, _modelDim, generator: random);
        }

        public Tensor[] Step()
        {
            using var frozen = no_grad();
            return [_attention.call(_token, new SequenceContext(_state))];
        }

        public void Dispose()
        {
            _attention.Dispose();
            _state.Dispose();
            _token.Dispose();
        }
    }

    private sealed class FullCache(Generator random, long context, bool isGrown) : IStep
    {
        private readonly Tensor _keys = randn([1, _heads, isGrown ? context : context + 1, _width], generator: random);
        private readonly Tensor _values = randn([1, _heads, isGrown ? context : context + 1, _width], generator: random);
        private readonly RotaryTable _turns = new(context + 1, _width);
        private readonly Tensor _token = randn(1, 1, _modelDim, generator: random);

        public Tensor[] Step()
        {
            using var frozen = no_grad();
            using var scope = NewDisposeScope();
            var heads = _token.view(1, 1, _heads, _width).transpose(1, 2);
            var (q, k) = (_turns.Turn(heads, context), _turns.Turn(heads, context));
            var (keys, values) = (With(_keys, k), With(_values, heads));
            var attended = nn.functional.scaled_dot_product_attention(q, keys, values);
            return [attended.transpose(1, 2).reshape(1, 1, _modelDim).MoveToOuterDisposeScope()];
        }

        public void Dispose()
        {
            _keys.Dispose();
            _values.Dispose();
            _turns.Dispose();
            _token.Dispose();
        }

        private Tensor With(Tensor cache, Tensor last)
        {
            if (isGrown)
            {
                return cat([cache, last], 2);
            }

            _ = cache.narrow(2, context, 1).copy_(last);
            return cache;
        }
    }
}
