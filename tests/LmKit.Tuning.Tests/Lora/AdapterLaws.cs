using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>Models with adapters drawn by a seed, and what they compute by definition.</summary>
internal static class AdapterLaws
{
    internal static readonly long[] Tokens = [1, 2, 3, 4, 0, 7];

    /// <summary>A small model with one to three adapters on some linears, over dense, Monarch or packed bases.</summary>
    internal static LanguageModelBuilder Draw(Random random, bool isStacked = true, bool isStructured = true, bool isUniform = false)
    {
        var builder = ToyModelOf(random);
        if (isStructured && random.Next(3) == 0)
            builder.AddMonarchLinear(monarch => monarch.BlockCount = 2, sites: ["fc1", "v_proj"]);
        if (isStructured && random.Next(3) == 0)
            builder.AddPackedLinear(packed => packed.Format = WeightFormat.Full, sites: ["fc2", "k_proj"]);
        var isDora = random.Next(3) == 0;
        var hasBias = random.Next(4) == 0;
        foreach (var site in new[] { "q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2" }.OrderBy(_ => random.Next()).Take(random.Next(1, 5)))
        {
            for (var depth = isStacked ? random.Next(1, 4) : 1; depth > 0; depth--)
            {
                var isInner = depth == 1; // the last one added is the innermost
                builder.UseLora(
                    lora =>
                    {
                        lora.Rank = random.Next(1, 5);
                        lora.Alpha = random.Next(1, 9);
                        lora.DropoutRate = 0;
                        lora.IsRankStabilized = random.Next(2) == 0;
                        lora.IsWeightDecomposed = isInner && site is "q_proj" or "out_proj" && (isUniform ? isDora : random.Next(2) == 0);
                        lora.HasBias = isUniform ? hasBias : random.Next(3) == 0;
                    },
                    sites: [site],
                    layers: random.Next(3) == 0 ? [random.Next(2)] : null);
            }
        }
        return builder;
    }

    internal static Tensor Logits(LanguageModel model)
    {
        using var frozen = no_grad();
        using var tokens = tensor(Tokens, [1, Tokens.Length]);
        return model.call(tokens, null);
    }

    /// <summary>What a model computes by definition: a fresh one of its configuration with its parameters, never merged.</summary>
    internal static Tensor Definition(LanguageModel model)
    {
        using var fresh = LanguageModel.Build(ModelConfig.FromJson(model.Config.ToJson()), new ComponentRegistry().AddTuning().AddStructured(), dtype: ScalarType.Float64, initializes: false);
        CheckpointLoader.Load(fresh, ModuleTensors.Of(model));
        return Logits(fresh);
    }

    private static LanguageModelBuilder ToyModelOf(Random random)
    {
        var builder = LmKit.Conformance.ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2);
        builder.Options.IsHeadTied = random.Next(2) == 0;
        return builder;
    }
}
