using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A whole token through the published hybrid of 125M parameters (12 layers of width 768, attention in layer 6, tied head), fused
/// steps and packed weights against the same model by hand in library operations with float32 weights.</summary>
/// <remarks>For bfloat16 the baseline holds the rounded weights in float32, so that both sides compute the same. The attention layer's
/// cache grows by the measured tokens on both sides alike, in memory that the baseline has in advance.</remarks>
internal static class HybridTokenVersusTorchOperations
{
    private const int layers = 12;
    private const int heads = 12;
    private const int attentionLayer = 6;
    private const long capacity = 2048;   // more tokens than are measured
    private const int earlier = 5;        // tokens before the first compared one, so that states matter

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        Case(WeightFormat.BFloat16, batch: 1, target: 2.2, tunedTarget: 2.2),
        Case(WeightFormat.Full, batch: 1, target: 1.5, tunedTarget: 1.5),
        Case(WeightFormat.Full, batch: 16, target: 2.8, tunedTarget: 1.5),
    ];

    private static RatioCase Case(WeightFormat format, long batch, double target, double tunedTarget) =>
        new($"H3 hybrid whole token vs torch operations by hand: 125M shape, {format}, batch {batch}", target, tunedTarget, random => Prepare(random, format, batch))
        {
            Tolerance = 1e-3, // twelve layers of float32 in another order of sums
        };

    private static RatioSides Prepare(Generator random, WeightFormat format, long batch)
    {
        var baseline = Builder().Build();
        var ours = Builder().AddPackedLinear(packed => packed.Format = format).AddPackedLinear(packed => packed.Format = format, [LinearSite.Head]).Build();
        if (format == WeightFormat.BFloat16)
            Round(baseline, ours);
        var (plain, state) = (new PlainHybrid(baseline, layers, heads, batch, capacity), ours.NewState(batch));
        var tokens = randint(0, baseline.VocabSize, [batch, 1], dtype: ScalarType.Int64, generator: random);
        for (var token = 0; token < earlier; token++)
        {
            using var scope = NewDisposeScope();
            _ = Baseline();
            _ = Ours();
        }

        return new RatioSides(Baseline, Ours, baseline, ours, plain, state, tokens);

        Tensor[] Baseline()
        {
            using var frozen = no_grad();
            return [plain.Step(tokens)];
        }

        Tensor[] Ours()
        {
            using var frozen = no_grad();
            return [ours.call(tokens, new SequenceContext(state))];
        }
    }

    private static LanguageModelBuilder Builder() =>
        new LanguageModelBuilder { VocabSize = 50_264, ModelDim = 768, LayerCount = layers }.AddH3().AddAttention(attention => attention.HeadCount = heads, layers: [attentionLayer]);

    // The embedding is looked up whole and read by the head rounded, so its own numbers are rounded on both sides.
    private static void Round(LanguageModel baseline, LanguageModel ours)
    {
        using var frozen = no_grad();
        var names = ours.named_modules().Where(pair => pair.module is PackedLinear).Select(pair => $"{pair.name}.weight").Append("embeddings.word_embeddings.weight");
        foreach (var name in names)
        {
            using var scope = NewDisposeScope();
            foreach (var weight in new[] { baseline.get_parameter(name)!, ours.get_parameter(name)! })
                weight.copy_(weight.to(ScalarType.BFloat16));
        }
    }
}
