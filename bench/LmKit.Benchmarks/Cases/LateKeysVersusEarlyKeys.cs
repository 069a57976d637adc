using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>Whether a key costs the same however many there are: a token after 8192 and one after 64 (ours) against two after 4096
/// (baseline), which read as many keys; rotary attention of a LLaMA's layers without its projections, one thread.</summary>
/// <remarks>The sides compute different things: only the shapes of their results are compared. The contexts grow alike.</remarks>
internal static class LateKeysVersusEarlyKeys
{
    private const int early = 64;
    private const int middle = 4096;
    private const int late = 8192;
    private const int piece = 512; // of the contexts, which are read before anything is measured
    private const int mixers = 12;
    private const int heads = 12;
    private const long modelDim = 768;
    private const double target = 0.9;

    internal static IReadOnlyList<RatioCase> Cases { get; } = [Case(12), Case(4)];

    private static RatioCase Case(int keyHeads) =>
        new($"Cost per key: attention of two tokens after {middle} vs after {late} and {early}, {mixers} layers of width {modelDim}, {heads} heads, {keyHeads} of keys, one thread", target, target, random => Prepare(random, keyHeads))
        {
            IsSameComputation = false,
        };

    private static RatioSides Prepare(Generator random, int keyHeads)
    {
        using var frozen = no_grad();
        var builder = new LanguageModelBuilder { VocabSize = 2, ModelDim = modelDim, LayerCount = mixers }.Add(PassThroughLinear.Kind).AddRotary();
        var options = new AttentionOptions { HeadCount = heads, KeyValueHeadCount = keyHeads, HasBias = false };
        var layers = Enumerable.Range(0, mixers).Select(layer => new Attention(options, builder.CreateLayerContext(layer, random))).ToList();
        layers.ForEach(layer => layer.eval());
        var token = randn(1, 1, modelDim, generator: random);
        var (halves, ends) = (new[] { After(middle), After(middle) }, new[] { After(late), After(early) });
        set_num_threads(1);
        return new RatioSides(() => Step(halves), () => Step(ends), [token, .. layers, .. halves.Concat(ends).SelectMany(states => states)]);

        MixerState[] After(int context)
        {
            var first = layers[0].NewState(1);
            for (var read = 0; read < context; read += piece)
            {
                using var x = randn(1, Math.Min(piece, context), modelDim, generator: random);
                layers[0].call(x, new SequenceContext(first)).Dispose();
            }

            using var row = zeros(1, ScalarType.Int64);
            return [first, .. layers.Skip(1).Select(_ => first.Fork(row))]; // the layers read other memory, of the same values
        }

        Tensor[] Step(MixerState[][] texts)
        {
            using var quiet = no_grad();
            return [.. texts.SelectMany(states => layers.Zip(states).Select(pair => pair.First.call(token, new SequenceContext(pair.Second))))];
        }
    }
}
