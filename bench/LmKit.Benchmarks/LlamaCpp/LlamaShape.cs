using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.LlamaCpp;

/// <summary>The sizes of a LLaMA: RMS norms, rotary positions, gated feed-forward parts with SiLU, no biases, a head of its own.</summary>
internal sealed record LlamaShape(int LayerCount, long ModelDim, int HeadCount, int KeyValueHeadCount, long MlpDim, long VocabSize)
{
    internal double RotaryBase { get; init; } = 10_000;

    internal double NormEpsilon { get; init; } = 1e-5;

    internal long HeadDim => ModelDim / HeadCount;

    /// <summary>The sizes that a case is named by.</summary>
    internal string Sizes => $"{LayerCount} layers of width {ModelDim}, {HeadCount} heads, {KeyValueHeadCount} of keys";

    /// <summary>Random tokens of the vocabulary.</summary>
    internal long[] Text(Generator random, int length)
    {
        using var tokens = randint(0, VocabSize, [length], dtype: ScalarType.Int64, generator: random);
        return [.. tokens.data<long>()];
    }

    /// <summary>The model with random float32 weights, its norms' gains too, so that none of them can be mistaken for another.</summary>
    /// <param name="random">Draws the weights.</param>
    /// <param name="isPacked">Whether all linears, the head's too, are packed for decoding.</param>
    /// <param name="more">Adds further components, such as a mask.</param>
    internal LanguageModel Build(Generator random, bool isPacked, Action<LanguageModelBuilder>? more = null)
    {
        var builder = new LanguageModelBuilder { VocabSize = VocabSize, ModelDim = ModelDim, LayerCount = LayerCount }
            .AddAttention(attention =>
            {
                attention.HeadCount = HeadCount;
                attention.KeyValueHeadCount = KeyValueHeadCount;
                attention.HasBias = false;
            })
            .AddRotary(rotary => rotary.Base = RotaryBase)
            .AddGatedMlp(mlp => mlp.MlpDim = MlpDim)
            .AddRmsNorm(norm => norm.Epsilon = NormEpsilon);
        builder.Options.IsHeadTied = false;
        if (isPacked)
            builder.AddPackedLinear(packed => packed.Format = WeightFormat.Full).AddPackedLinear(packed => packed.Format = WeightFormat.Full, [LinearSite.Head]);

        more?.Invoke(builder);
        var model = builder.Build();
        Fill(model, random);
        return model;
    }

    /// <summary>Random weights, and gains of norms around 1.</summary>
    internal static void Fill(LanguageModel model, Generator random)
    {
        using var frozen = no_grad();
        foreach (var (name, parameter) in model.named_parameters())
        {
            using var scope = NewDisposeScope();
            parameter.copy_(randn(parameter.shape, generator: random) * (parameter.dim() == 1 ? 0.1 : 0.02) + (parameter.dim() == 1 ? 1 : 0));
        }
    }
}
