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
    private const int heads = 4;
    private const long width = 64;
    private const long modelDim = heads * width;
    private const long window = 512;
    private const long starts = 10;
    private const long early = 1024;
    private const long late = 16_384;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        Case($"a preallocated full cache of turned keys: one token after {late}", 10, random => new FullCache(random, late, isGrown: false)),
        Case($"a full cache of turned keys grown by cat: one token after {late}", 80, random => new FullCache(random, late, isGrown: true)),
        Case($"itself after {early}: one token after {late}", 1 / 1.1, random => new Decoder(random, early)),
    ];

    private static RatioCase Case(string beside, double target, Func<Generator, IStep> make) =>
        new($"Lambda decode with rotary vs {beside}, L {window}, G {starts}", target, target, random =>
        {
            var (baseline, ours) = (make(random), new Decoder(random, late));
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
        private readonly Attention attention;
        private readonly MixerState state;
        private readonly Tensor token;

        internal Decoder(Generator random, long context)
        {
            using var frozen = no_grad();
            var layer = new LanguageModelBuilder { VocabSize = 2, ModelDim = modelDim, LayerCount = 1 }
                .Add(PassThroughLinear.Kind)
                .AddRotary()
                .AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (window, starts))
                .CreateLayerContext(0, random);
            attention = new Attention(new AttentionOptions { HeadCount = heads }, layer);
            attention.eval();
            state = attention.NewState(1);
            using var prompt = randn(1, context, modelDim, generator: random);
            attention.call(prompt, new SequenceContext(state)).Dispose();
            token = randn(1, 1, modelDim, generator: random);
        }

        public Tensor[] Step()
        {
            using var frozen = no_grad();
            return [attention.call(token, new SequenceContext(state))];
        }

        public void Dispose()
        {
            attention.Dispose();
            state.Dispose();
            token.Dispose();
        }
    }

    private sealed class FullCache(Generator random, long context, bool isGrown) : IStep
    {
        private readonly Tensor keys = randn([1, heads, isGrown ? context : context + 1, width], generator: random);
        private readonly Tensor values = randn([1, heads, isGrown ? context : context + 1, width], generator: random);
        private readonly RotaryTable turns = new(context + 1, width);
        private readonly Tensor token = randn(1, 1, modelDim, generator: random);

        public Tensor[] Step()
        {
            using var frozen = no_grad();
            using var scope = NewDisposeScope();
            var heads = token.view(1, 1, LambdaTokenVersusFullCache.heads, width).transpose(1, 2);
            var (q, k) = (turns.Turn(heads, context), turns.Turn(heads, context));
            var (keys, values) = (With(this.keys, k), With(this.values, heads));
            var attended = nn.functional.scaled_dot_product_attention(q, keys, values);
            return [attended.transpose(1, 2).reshape(1, 1, modelDim).MoveToOuterDisposeScope()];
        }

        public void Dispose()
        {
            keys.Dispose();
            values.Dispose();
            turns.Dispose();
            token.Dispose();
        }

        private Tensor With(Tensor cache, Tensor last)
        {
            if (isGrown)
                return cat([cache, last], 2);

            _ = cache.narrow(2, context, 1).copy_(last);
            return cache;
        }
    }
}
