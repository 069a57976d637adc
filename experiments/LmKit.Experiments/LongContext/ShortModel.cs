namespace LmKit.Experiments;

/// <summary>The small LLaMA-style model of the long-context suite: two layers of width 64, two heads, gated feed-forward parts, rotary positions.</summary>
internal static class ShortModel
{
    /// <summary>Builds it.</summary>
    /// <param name="vocabSize">Tokens.</param>
    /// <param name="seed">Seed of the parameters.</param>
    /// <param name="mixers">Changes the mixers and their positions; null for rotary attention in both layers.</param>
    internal static LanguageModel Build(long vocabSize, int seed, Action<LanguageModelBuilder>? mixers = null)
    {
        var builder = new LanguageModelBuilder { VocabSize = vocabSize, ModelDim = 64, LayerCount = 2 };
        (builder.Options.Seed, builder.Options.IsHeadTied) = ((ulong)seed, false);
        builder.AddAttention(attention => (attention.HeadCount, attention.HasBias) = (2, false))
            .AddGatedMlp(mlp => mlp.MlpDim = 176)
            .AddRmsNorm(norm => norm.Epsilon = 1e-6)
            .AddRotary();
        mixers?.Invoke(builder);
        return builder.Build();
    }
}
