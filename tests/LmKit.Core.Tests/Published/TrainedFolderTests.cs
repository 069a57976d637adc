using System.Globalization;
using System.Text;
using LmKit.Conformance;
using TorchSharp;
using Xunit.Abstractions;

namespace LmKit.Core.Tests;

/// <summary>New models in a published layout: trained, saved under published names, opened again.</summary>
[NoTensorLeak]
public class TrainedFolderTests(ITestOutputHelper output)
{
    private const string Gpt2 = """
        {"architectures":["GPT2LMHeadModel"],"model_type":"gpt2","vocab_size":256,"n_embd":48,"n_layer":2,"n_head":4,"n_positions":64,"eos_token_id":0}
        """;

    private const string Llama = """
        {"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":256,"hidden_size":48,"intermediate_size":96,"num_hidden_layers":2,"num_attention_heads":4,
         "num_key_value_heads":2,"max_position_embeddings":64,"tie_word_embeddings":true,"initializer_range":0.06,"eos_token_id":0}
        """;

    private static readonly string[] nouns = ["harbour", "lantern", "miller", "orchard", "pigeon", "quarry", "river", "saddle", "thimble", "valley", "weaver", "yeoman"];
    private static readonly string[] verbs = ["admires", "borrows", "carries", "describes", "examines", "follows", "guards", "imagines", "loses", "paints"];
    private static readonly string[] adjectives = ["ancient", "brittle", "curious", "dusty", "eager", "frozen", "gentle", "hollow", "idle", "jolly"];

    [Theory]
    [InlineData(Gpt2, "transformer.h.0.attn.c_attn.weight")]
    [InlineData(Llama, "model.layers.0.self_attn.q_proj.weight")]
    public void A_trained_model_is_better_than_pairs_of_letters_and_opens_again_as_it_was(string config, string name) => TrainSaveLoad(config, name, 350);

    [Theory]
    [InlineData(Gpt2, "transformer.h.0.attn.c_attn.weight")]
    [InlineData(Llama, "model.layers.0.self_attn.q_proj.weight")]
    [Trait("Category", "Long")]
    public void Trained_for_long_too(string config, string name) => TrainSaveLoad(config, name, 3_000);

    private void TrainSaveLoad(string config, string name, long steps)
    {
        using var folder = new TemporaryFolder();
        var layout = PublishedLayout.FromJson(config);
        using var model = layout.CreateBuilder().Build();
        using var data = TokenDataset.Create([new TextDocument("training", Text(seed: 1, sentences: 3_000))], ModelTokenizer.Bytes, Path.Combine(folder.Path, "tokens"));
        using (var trainer = new Trainer(new LanguageModelTask(model, data, length: 64, batchSize: 16, seed: 3), new TrainingOptions { Steps = steps, LearningRate = 5e-3, WarmupSteps = 20 }))
            trainer.Run();
        model.eval();
        var heldOut = Text(seed: 2, sentences: 60);
        var options = new PerplexityOptions { WindowLength = 64, Stride = 32, BatchSize = 8 };
        var trained = Perplexity.Compute(model, [heldOut], ModelTokenizer.Bytes, options);
        var border = SecondOrderEntropy(heldOut);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{layout.Family}: loss {trained.Loss}, order-2 entropy {border:F4} nats"));
        Assert.True(trained.Loss.Value < border, $"{trained.Loss} is not below the text's order-2 entropy {border} in nats.");

        var target = Path.Combine(folder.Path, "model");
        layout.Save(target, model);
        using (var reader = new SafetensorsReader(Path.Combine(target, "model.safetensors")))
            Assert.Contains(reader.Entries, entry => entry.Name == name);
        Assert.Equal(config, File.ReadAllText(Path.Combine(target, "config.json")));
        using var opened = PublishedModel.Load(target);
        var again = Perplexity.Compute(opened.Model, [heldOut], ModelTokenizer.Bytes, options);
        Assert.Equal(trained.Loss.Value, again.Loss.Value);
        Assert.Equal(trained.Units, again.Units);
    }

    // Entropy in nats of a letter given the two before it, of the text's own counts: no table of triples does better on this text.
    private static double SecondOrderEntropy(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var triples = new Dictionary<(byte, byte), Dictionary<byte, int>>();
        for (var place = 2; place < bytes.Length; place++)
        {
            if (!triples.TryGetValue((bytes[place - 2], bytes[place - 1]), out var next))
                triples[(bytes[place - 2], bytes[place - 1])] = next = [];
            next[bytes[place]] = next.GetValueOrDefault(bytes[place]) + 1;
        }
        double sum = 0;
        foreach (var next in triples.Values)
        {
            double all = next.Values.Sum();
            sum -= next.Values.Sum(count => count * Math.Log(count / all));
        }
        return sum / (bytes.Length - 2);
    }

    private static string Text(int seed, int sentences)
    {
        var random = new Random(seed);
        var text = new StringBuilder();
        for (var index = 0; index < sentences; index++)
            _ = text.Append(CultureInfo.InvariantCulture, $"the {One(adjectives)} {One(nouns)} {One(verbs)} the {One(adjectives)} {One(nouns)}. ");
        return text.ToString();

        string One(string[] words) => words[random.Next(words.Length)];
    }
}
