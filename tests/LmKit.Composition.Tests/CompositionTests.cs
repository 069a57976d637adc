using LmKit.Conformance;
using Microsoft.Extensions.AI;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>All seven packages in one toy project, every model from a JSON configuration.</summary>
[NoTensorLeak]
public sealed class CompositionTests : IDisposable
{
    private const string Point = "layers.1.resid_post";
    private const string Prompt = "the cat sat on the ";
    private const long MaskId = 256;

    private readonly string folder = Directory.CreateTempSubdirectory("lmkit-composition-").FullName;

    [Fact]
    public void A_hybrid_is_trained_tuned_tapped_and_steered_and_its_sibling_denoises()
    {
        using var data = TokenDataset.Create(Corpus.Documents(40), ModelTokenizer.Bytes, At("tokens"));
        LiveTensors.Unchanged("training", () =>
        {
            using var model = Build("hybrid.json");
            Train(model, data);
            model.Save(At("hybrid"));
        });
        LiveTensors.Unchanged("tuning", () =>
        {
            using var model = Build("tuned.json");
            Tune(model);
        });
        LiveTensors.Unchanged("steering", () =>
        {
            using var model = LanguageModel.Load(At("hybrid"), kinds => AllKinds(kinds));
            TapAndSteer(model, data);
        });
        LiveTensors.Unchanged("denoising", () =>
        {
            using var model = Build("denoiser.json");
            Denoise(model, data);
        });
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static void Train(LanguageModel model, TokenDataset data)
    {
        var before = LanguageModelTask.Evaluate(model, data, length: 64, batchSize: 8).Value;
        using (var trainer = new Trainer(new LanguageModelTask(model, data, length: 64, batchSize: 8, seed: 1), Options(steps: 150, rate: 1e-2)))
            trainer.Run();
        var after = LanguageModelTask.Evaluate(model, data, length: 64, batchSize: 8).Value;

        Assert.True(before > 5, $"An untrained model has {before} nats a byte.");
        Assert.True(after < 1, $"Training took the loss from {before} to {after} only.");
        CheckStreaming(model, data);
    }

    /// <summary>The hybrid reads 60 tokens in pieces as it reads them at once, through the state space, the bounded cache and the Monarch products.</summary>
    private static void CheckStreaming(LanguageModel model, TokenDataset data)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var tokens = data.Windows([0, 100], 60);
        var whole = model.call(tokens, null);
        var state = model.NewState(2);
        var context = new SequenceContext { State = state };
        var pieces = new[] { tokens[.., ..17], tokens[.., 17..18], tokens[.., 18..60] }.Select(piece => model.call(piece, context)).ToArray();
        state.Dispose();

        Close.Check("logits", whole, cat(pieces, 1), absolute: 1e-3);
    }

    private void Tune(LanguageModel model)
    {
        using var scope = NewDisposeScope();
        using (var reader = new SafetensorsReader(Path.Combine(At("hybrid"), "model.safetensors")))
            LoraAdapters.LoadBase(model, reader.ReadAll());
        var frozen = model.named_parameters().Where(entry => !entry.name.Contains(".lora_", StringComparison.Ordinal)).ToDictionary(entry => entry.name, entry => entry.parameter.detach().clone());
        var format = new ChatTemplateFormat(ChatTemplate.Named("plain"), ModelTokenizer.Bytes, new Dictionary<string, int> { ["<end>"] = (int)MaskId }, endToken: "<end>");
        SupervisedExample[] examples =
            [.. Corpus.Conversations().Select(turn => format.Example([new ChatMessage(ChatRole.User, turn.Question), new ChatMessage(ChatRole.Assistant, turn.Answer)]))];
        var task = new FineTuner(model, examples, new FineTuningOptions { RowLength = 128, RowCount = 1 }, heldOut: examples);

        Assert.True(task.BatchesPerEpoch < examples.Length, "Examples share rows.");
        var before = task.Evaluate()!.Value;
        using (var trainer = new Trainer(task, Options(steps: 150, rate: 1e-2)))
            trainer.Run();

        Assert.True(task.Evaluate()!.Value < before / 4, $"Tuning took the loss from {before} to {task.Evaluate()} only.");
        Assert.All(frozen, entry => Assert.True(entry.Value.Equals(model.get_parameter(entry.Key)!), $"{entry.Key} moved though only adapters are trained."));
        CheckAnswers(model, format);
        CheckAdapter(model, examples[0]);
    }

    /// <summary>The tuned model answers through the standard chat interface, and stops by itself.</summary>
    /// <remarks>On another thread from beginning to end, because live tensors are counted by thread: what the model keeps for reading prompts is made and
    /// forgotten there.</remarks>
    private static void CheckAnswers(LanguageModel model, ChatTemplateFormat format)
    {
        IPreparedWeights.ForgetAll(model);
        using var client = model.AsChatClient(ModelTokenizer.Bytes, format);
        foreach (var (question, answer) in Corpus.Conversations())
        {
            var reply = Task.Run(() => client.GetResponseAsync(question, new ChatOptions { Temperature = 0, MaxOutputTokens = 30 })).GetAwaiter().GetResult();

            Assert.Equal(answer, reply.Text.Trim());
            Assert.Equal(ChatFinishReason.Stop, reply.FinishReason);
        }
        var forgetting = new Thread(() => IPreparedWeights.ForgetAll(model)); // a task that is waited for may run on the thread that waits
        forgetting.Start();
        forgetting.Join();
    }

    /// <summary>The adapter's folder on a fresh base, and the adapter merged, are the tuned model.</summary>
    private void CheckAdapter(LanguageModel model, SupervisedExample example)
    {
        AdapterFile.Save(model, At("adapter"));
        using var fresh = Build("tuned.json");
        using (var reader = new SafetensorsReader(Path.Combine(At("hybrid"), "model.safetensors")))
            LoraAdapters.LoadBase(fresh, reader.ReadAll());
        AdapterFile.Load(fresh, At("adapter"));
        using var frozen = no_grad();
        var tokens = tensor(example.Tokens.Select(id => (long)id).ToArray()).unsqueeze(0);
        var tuned = model.call(tokens, null);

        Close.Check("loaded", tuned, fresh.call(tokens, null), absolute: 0);
        Assert.True(LoraAdapters.Merge(fresh, MergeMode.Densify) > 0);
        Close.Check("merged", tuned, fresh.call(tokens, null), absolute: 1e-3);
    }

    private static void TapAndSteer(LanguageModel model, TokenDataset data)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(5);
        var options = TopAfaOptions.Regularised();
        (options.ModelDim, options.FeatureCount) = (32, 96);
        using var autoencoder = new TopAfaAutoencoder(options, new ParameterFactory(random));
        var unexplained = Learn(model, data, autoencoder);
        var feature = MostActive(model, data, autoencoder);
        var generator = new TextGenerator(model.CreateSampler(), ModelTokenizer.Bytes);
        string Continue() => generator.Generate([Prompt], new GenerationOptions { MaxOutputTokens = 12, Seed = 1 })[0];

        var plain = Continue();
        string steered;
        using (ActivationTap.Steer(model, Point, autoencoder, feature, amount: 40))
            steered = Continue();

        Assert.StartsWith("mat.", plain, StringComparison.Ordinal);
        Assert.True(unexplained < 0.2, $"The dictionary leaves {unexplained} of the variance.");
        Assert.NotEqual(plain, steered);
        Assert.Equal(plain, Continue());
    }

    /// <summary>Trains the dictionary on what the tap reads; returns the share of the variance that it does not explain.</summary>
    private static double Learn(LanguageModel model, TokenDataset data, TopAfaAutoencoder autoencoder)
    {
        var batches = Enumerable.Range(0, 150).Select(step => Activations(model, data, start: step * 64 % 4_000));
        using (var task = AutoencoderTask.OnBatches(autoencoder, batches, new() { Steps = 150, LearningRate = 3e-3 }))
        using (var trainer = new Trainer(task))
            trainer.Run();
        using var frozen = no_grad();
        var rows = Activations(model, data, start: 10);
        var error = (rows - autoencoder.Reconstruct(rows)).square().sum();
        return (error / (rows - rows.mean([0L], keepdim: true)).square().sum()).item<float>();
    }

    private static long MostActive(LanguageModel model, TokenDataset data, TopAfaAutoencoder autoencoder)
    {
        using var frozen = no_grad();
        return autoencoder.Encode(Activations(model, data, start: 0)).gt(0).sum(0).argmax().item<long>();
    }

    private static Tensor Activations(LanguageModel model, TokenDataset data, long start)
    {
        using var frozen = no_grad();
        using var tap = ActivationTap.Read(model, Point);
        using var tokens = data.Windows([start, start + 64, start + 128, start + 192], 64);
        model.call(tokens, null).Dispose();
        return tap.Latest!.reshape(-1, 32);
    }

    private static void Denoise(LanguageModel model, TokenDataset data)
    {
        var denoiser = new LanguageModelDenoiser(model, MaskId);
        using var task = DenoisingTask.OnWindows(model, denoiser, data, length: 64, batchSize: 16, seed: 2, heldOut: data);
        var before = task.Evaluate()!.Value;
        using (var trainer = new Trainer(task, Options(steps: 500, rate: 7e-3)))
            trainer.Run();
        var after = task.Evaluate()!.Value;

        Assert.True(after < before / 4, $"Training took the bound from {before} to {after} only.");
        CheckInfilling(model);
    }

    /// <summary>Text on both sides of a hole stays, and most of the hole is filled with what the corpus says (guessing would get none).</summary>
    private static void CheckInfilling(LanguageModel model)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        var text = "the hen sat on the nest. the dog sat on the log. the cat sat on t".Select(letter => (long)letter).ToArray();
        var holed = text.Select((id, place) => place is >= 33 and < 43 ? MaskId : id).ToArray();
        long[] filled = [];
        foreach (var grid in model.CreateSampler().Sample(tensor(holed, [1, holed.Length]), length: 0, random))
        {
            using (grid)
                filled = grid.data<long>().ToArray();
        }

        Assert.DoesNotContain(MaskId, filled);
        Assert.Equal(text[..33], filled[..33]);
        Assert.Equal(text[43..], filled[43..]);
        var right = Enumerable.Range(33, 10).Count(place => filled[place] == text[place]);
        Assert.True(right >= 7, $"Of the ten letters of 'sat on the', {right} are right.");
    }

    private static TrainingOptions Options(long steps, double rate) => new() { Steps = steps, LearningRate = rate, WarmupSteps = 10, WeightDecay = 0 };

    private static LanguageModel Build(string file) =>
        LanguageModel.Build(ModelConfig.FromJson(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, file))), AllKinds(new ComponentRegistry()));

    private static ComponentRegistry AllKinds(ComponentRegistry registry) => registry.AddSsm().AddStructured().AddLongContext().AddDiffusion().AddTuning();

    private string At(string name) => Path.Combine(folder, name);
}
