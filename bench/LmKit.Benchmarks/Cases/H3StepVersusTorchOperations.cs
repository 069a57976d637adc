using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>One token through the H3 mixers of 12 layers without their projections, against the same steps written by hand in library
/// operations that keep their states in place.</summary>
internal static class H3StepVersusTorchOperations
{
    private const int layers = 12;
    private const long modelDim = 768;
    private const int earlier = 5;   // tokens before the first compared one, so that states matter

    internal static IReadOnlyList<RatioCase> Cases { get; } = [Case(batch: 1), Case(batch: 16)];

    private static RatioCase Case(long batch) =>
        new($"H3 decode step vs steps in place by hand: {layers} mixers of width {modelDim} without projections, batch {batch}", 2, 2, random => Prepare(random, batch));

    private static RatioSides Prepare(Generator random, long batch)
    {
        var layer = new LanguageModelBuilder { VocabSize = 2, ModelDim = modelDim, LayerCount = layers }
            .Add(PassThroughLinear.Kind)
            .CreateLayerContext(0, random);
        var mixers = Enumerable.Range(0, layers).Select(_ => new H3Mixer(new H3Options(), layer)).ToArray();
        var plain = mixers.Select(mixer => new PlainH3Step(mixer.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter), "", batch)).ToArray();
        var states = mixers.Select(mixer => mixer.NewState(batch)).ToArray();
        var x = randn(batch, 1, modelDim, generator: random);
        var row = x.squeeze(1);
        for (var token = 0; token < earlier; token++)
        {
            using var scope = NewDisposeScope();
            _ = Baseline();
            _ = Ours();
        }

        return new RatioSides(Baseline, Ours, [.. mixers, .. plain, .. states, x, row]);

        Tensor[] Baseline()
        {
            using var frozen = no_grad();
            return [.. plain.Select(step => step.Run(row, row, row).unsqueeze(1))];
        }

        Tensor[] Ours()
        {
            using var frozen = no_grad();
            return [.. mixers.Zip(states, (mixer, state) => mixer.call(x, new SequenceContext(state)))];
        }
    }
}
