using LmKit.Conformance;
using TorchSharp;

namespace LmKit.Core.Tests;

/// <summary>A new model in a published layout is trained, saved under the published names and opened again.</summary>
[NoTensorLeak]
public class TrainedLayoutTests
{
    private const int Window = 48;

    private const string Verses = """
        The keeper climbed the winding stair, a lantern in his hand,
        and counted all the little lights that glimmered on the land.
        He trimmed the wick, he wound the clock, he wrote the hour down;
        a ship went by without a sound, and no one in the town
        had seen the wind begin to turn, or heard the shingle roar.
        The keeper closed his book at last and bolted up the door.
        By morning there was broken wood along the harbour wall;
        a bell that nobody had rung was lying in the hall.
        Who carried it, who left it there, the keeper never knew.
        He hung it by the winding stair. It rings when storms are due.

        """;

    private static readonly Dictionary<string, string> configs = new()
    {
        ["gpt2"] = """
            {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 256, "n_positions": 48, "n_embd": 48, "n_layer": 2, "n_head": 4, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
            """,
        ["llama"] = """
            {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 256, "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
             "max_position_embeddings": 48, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": false,
             "rope_scaling": {"rope_type": "llama3", "factor": 2.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 24}}
            """,
    };

    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    public void A_folder_trained_below_the_order_two_entropy_of_its_text_reloads_with_equal_perplexity(string family) => Train(family, Verses, steps: 250, Window);

    [Theory]
    [Trait("Category", "Long")]
    [InlineData("gpt2")]
    [InlineData("llama")]
    public void So_does_a_folder_trained_on_a_longer_text(string family)
    {
        var text = File.ReadAllText(Path.Combine(GoldenSource.Repository.Root!, "core", "README.md"));

        Train(family, text, steps: 3_000, Window);
    }

    private static void Train(string family, string text, long steps, long window)
    {
        using var folder = new TemporaryFolder();
        var layout = PublishedLayout.FromJson(configs[family]);
        var tokens = ModelTokenizer.Bytes.Tokenizer.EncodeToIds(text);
        var options = new PerplexityOptions { WindowLength = window, Stride = window / 2, BatchSize = 8 };
        PerplexityResult before;
        using (var data = TokenDataset.Create([new TextDocument("text", text)], ModelTokenizer.Bytes, folder["tokens"]))
        {
            var builder = layout.CreateBuilder();
            builder.Options.Seed = 3;
            using var model = builder.Build();
            using (var trainer = new Trainer(new LanguageModelTask(model, data, window, batchSize: 16, seed: 3), new TrainingOptions { Steps = steps, LearningRate = 1e-2, WarmupSteps = 20, WeightDecay = 0.01 }))
                trainer.Run();
            model.eval();
            before = Perplexity.Compute(model, [tokens], options);
            layout.Save(folder["saved"], model);
        }

        using var published = PublishedModel.Load(folder["saved"]);
        var after = Perplexity.Compute(published.Model, [tokens], options);

        var entropy = OrderTwoEntropy(tokens);
        Assert.InRange(entropy, 0.1, Math.Log(256)); // what the model is held to means something
        Assert.True(before.Loss.Value < entropy, $"{before.Loss} is not below the {entropy:F4} nats of a token given the two before it.");
        Assert.Equal(before.Perplexity.Value, after.Perplexity.Value);
        Assert.Equal(before.Units, after.Units);
        Assert.Equal(family, published.Layout.Family);
        Assert.Empty(published.SpareTensors);
    }

    /// <summary>The entropy in nats of a token given the two before it, by the counts of the text itself.</summary>
    private static double OrderTwoEntropy(IReadOnlyList<int> tokens)
    {
        var triples = Enumerable.Range(2, tokens.Count - 2).Select(at => (Context: (tokens[at - 2], tokens[at - 1]), Next: tokens[at])).ToList();
        return triples.GroupBy(triple => triple.Context).Sum(group => group.GroupBy(triple => triple.Next).Sum(same => same.Count() * Math.Log((double)group.Count() / same.Count()))) / triples.Count;
    }
}
