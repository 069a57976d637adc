using System.Globalization;
using LmKit.Benchmarks.LlamaCpp;
using LmKit.Benchmarks.Ratios;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A token of a LLaMA that was loaded from a published folder, against library operations over its weights and a cache of turned keys,
/// one thread each; ours with the linears it loads with, and with packed ones.</summary>
/// <remarks>The context grows by the measured tokens, on both sides alike.</remarks>
internal static class LlamaTokenVersusTurnedCache
{
    private const int context = 4096;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        .. new[] { 12, 4 }.SelectMany(keyHeads => new[] { false, true }.Select(isPacked =>
        {
            var shape = LlamaTokenVersusLlamaCpp.Shape with { KeyValueHeadCount = keyHeads };
            return new RatioCase(
                $"Published LLaMA token{(isPacked ? ", packed" : "")} vs plain torch with a turned cache: after {context}, {shape.Sizes}, one thread",
                1,
                1,
                random => CausalTokenVersusTurnedCache.Sides(random, shape, Load(random, shape, isPacked), context, spare: 2048));
        })),
    ];

    /// <summary>Writes a folder of the published layout and loads it.</summary>
    internal static LanguageModel Load(Generator random, LlamaShape shape, bool isPacked)
    {
        var layout = PublishedLayout.FromJson(string.Create(CultureInfo.InvariantCulture, $$"""
            {
              "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": {{shape.VocabSize}}, "hidden_size": {{shape.ModelDim}},
              "intermediate_size": {{shape.MlpDim}}, "num_hidden_layers": {{shape.LayerCount}}, "num_attention_heads": {{shape.HeadCount}},
              "num_key_value_heads": {{shape.KeyValueHeadCount}}, "hidden_act": "silu", "rms_norm_eps": {{shape.NormEpsilon}},
              "rope_theta": {{shape.RotaryBase}}, "tie_word_embeddings": false, "torch_dtype": "float32"
            }
            """));
        var folder = Directory.CreateTempSubdirectory("lmkit-bench-").FullName;
        try
        {
            using (var model = layout.CreateBuilder().Build())
            {
                LlamaShape.Fill(model, random);
                layout.Save(folder, model);
            }

            return PublishedModel.Load(folder, Change).Model;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        void Change(LanguageModelBuilder builder)
        {
            if (isPacked)
                builder.AddPackedLinear(packed => packed.Format = WeightFormat.Full).AddPackedLinear(packed => packed.Format = WeightFormat.Full, [LinearSite.Head]);
        }
    }
}
