using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>One token through the H3 mixers of 12 layers without their projections, against the same steps in library operations.</summary>
internal static class H3StepVersusTorchOperations
{
    private const int _layers = 12;
    private const long _modelDim = 768;

    public static IReadOnlyList<RatioCase> Cases { get; } =
    [
        Case(batch: 1, target: 2, tunedTarget: 2),
        Case(batch: 16, target: 6, tunedTarget: 2.5),
    ];

    private static RatioCase Case(long batch, double target, double tunedTarget) =>
        new($"H3 decode step vs torch operations: {_layers} mixers of width {_modelDim} without projections, batch {batch}", target, tunedTarget, random => Prepare(random, batch));

    private static RatioSides Prepare(Generator random, long batch)
    {
        var layer = new LanguageModelBuilder { VocabSize = 2, ModelDim = _modelDim, LayerCount = _layers }
            .AddLinear(PassThroughLinear.Kind)
            .CreateLayerContext(0, random);
        var mixers = Enumerable.Range(0, _layers).Select(_ => new H3Mixer(new H3Options(), layer)).ToArray();
        var (baseline, ours) = (States(), States());
        var x = randn(batch, 1, _modelDim, generator: random);
        return new RatioSides(() => Step(KernelChoice.Reference, baseline), () => Step(KernelChoice.Cpu, ours), [.. mixers, .. baseline, .. ours, x]);

        MixerState[] States() => [.. mixers.Select(mixer => mixer.NewState(batch))];

        Tensor[] Step(KernelChoice choice, MixerState[] states)
        {
            using var frozen = no_grad();
            using var chosen = KernelSelection.Use(choice);
            return [.. mixers.Zip(states, (mixer, state) => mixer.call(x, new SequenceContext(state)))];
        }
    }
}
