using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A token's attention with few key heads (ours) against as many key heads as heads (baseline), both in our own attention without
/// its projections: what is read of the cache is in proportion to the key heads.</summary>
/// <remarks>The sides compute different things: only the shapes of their results are compared. The context grows by the measured tokens.</remarks>
internal static class FewKeyHeadsVersusAll
{
    private const int mixers = 12;
    private const long modelDim = 768;
    private const int heads = 12;
    private const int fewHeads = 4;

    internal static IReadOnlyList<RatioCase> Cases { get; } = [Case(1000, target: 1.5), Case(4096, target: 2)];

    // Three times fewer key heads: the ratio would be 3 if reading the cache were all that costs; the scores and sums of twelve heads, and what
    // a call costs whatever it reads, are the same on both sides.
    private static RatioCase Case(long context, double target) =>
        new($"{fewHeads} key heads vs {heads}: a token's attention after {context}, {mixers} layers of width {modelDim} without projections, one thread", target, target, random => Prepare(random, context))
        {
            IsSameComputation = false,
        };

    private static RatioSides Prepare(Generator random, long context)
    {
        using var frozen = no_grad();
        var x = randn(1, context, modelDim, generator: random);
        var token = x.narrow(1, 0, 1);
        var (all, few) = (Layers(heads), Layers(fewHeads));
        set_num_threads(1);
        return new RatioSides(() => Step(all), () => Step(few), [x, token, .. Owned(all), .. Owned(few)]);

        (Attention Mixer, MixerState State)[] Layers(int keyHeads)
        {
            var builder = new LanguageModelBuilder { VocabSize = 2, ModelDim = modelDim, LayerCount = mixers }.Add(PassThroughLinear.Kind).AddRotary();
            var options = new AttentionOptions { HeadCount = heads, KeyValueHeadCount = keyHeads, HasBias = false };
            return [.. Enumerable.Range(0, mixers).Select(layer =>
            {
                var mixer = new Attention(options, builder.CreateLayerContext(layer, random));
                mixer.eval();
                var state = mixer.NewState(1);
                mixer.call(x, new SequenceContext(state)).Dispose();
                return (mixer, state);
            })];
        }

        IEnumerable<IDisposable> Owned((Attention Mixer, MixerState State)[] layers) => layers.SelectMany(layer => new IDisposable[] { layer.Mixer, layer.State });

        Tensor[] Step((Attention Mixer, MixerState State)[] layers)
        {
            using var quiet = no_grad();
            return [.. layers.Select(layer => layer.Mixer.call(token, new SequenceContext(layer.State)))];
        }
    }
}
