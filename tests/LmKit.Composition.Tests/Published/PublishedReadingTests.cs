using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>Reading, editing, generating and training with a published model as with any other.</summary>
[NoTensorLeak]
public sealed class PublishedReadingTests
{
    public static TheoryData<string> Folders => new(PublishedScene.Names);

    [Theory]
    [MemberData(nameof(Folders))]
    [Trait("Category", "Golden")]
    public void Taps_read_the_official_hidden_states(string name)
    {
        using var scope = NewDisposeScope();
        using var scene = PublishedScene.Load(name);
        var layers = scene.Published.Layout.Config.ReadOptions().LayerCount;
        string[] points = ["embeddings.out", .. Enumerable.Range(0, layers).Select(layer => $"layers.{layer}.resid_post"), "ln_f.out"];
        var taps = points.Select(point => ActivationTap.Read(scene.Model, point)).ToList();
        using var quiet = no_grad();
        _ = scene.Model.call(scene.Expected("input_ids").narrow(0, 0, 1), null);

        foreach (var (index, tap) in taps.Index())
        {
            Close.Check(points[index], scene.Expected(index == taps.Count - 1 ? "hidden.final" : $"hidden.{index}"), tap.Latest!, relativeToLargest: 1e-10);
            tap.Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(Folders))]
    [Trait("Category", "Golden")]
    public void An_edit_at_a_hook_point_acts_and_is_gone_when_it_is_taken_off(string name)
    {
        using var scope = NewDisposeScope();
        using var scene = PublishedScene.Load(name);
        var plain = scene.Whole();
        foreach (var point in new[] { "embeddings.out", "layers.0.mixer.q", "layers.0.mixer.z", "layers.1.resid_post", "ln_f.out" })
        {
            using (ActivationTap.Edit(scene.Model, point, value => value * 1))
                Close.Check(point, plain, scene.Whole());
            using (ActivationTap.Edit(scene.Model, point, value => value + linspace(-1, 1, value.size(-1), value.dtype)))
                Assert.True(PublishedScene.Distance(plain, scene.Whole()) > 1e-3, point);
            Close.Check(point, plain, scene.Whole());
        }
    }

    [Theory]
    [MemberData(nameof(Folders))]
    [Trait("Category", "Golden")]
    public void An_autoencoder_learns_its_activations_and_is_spliced_in(string name)
    {
        using var scope = NewDisposeScope();
        using var scene = PublishedScene.Load(name, dtype: ScalarType.Float32);
        const string Point = "layers.0.resid_post";
        var (tokens, width) = (scene.Expected("input_ids"), scene.Published.Layout.Config.ReadOptions().ModelDim);
        using var random = new Generator(1);
        using var autoencoder = new TopKAutoencoder(new TopKOptions { ModelDim = width, FeatureCount = 4 * width, ActiveCount = 8 }, new ParameterFactory(random));
        var before = SpliceQuality.Measure(scene.Model, Point, autoencoder, tokens);
        var losses = new List<double>();
        using (var task = AutoencoderTask.OnBatches(autoencoder, Activations(), new() { Steps = 60 }))
        using (var trainer = new Trainer(task))
            trainer.Run(step => losses.Add(step.Loss));
        var after = SpliceQuality.Measure(scene.Model, Point, autoencoder, tokens);

        Assert.True(losses[^1] < 0.7 * losses[0], $"{name}: {losses[0]} to {losses[^1]}.");
        Assert.True(after.SplicedDivergence < before.SplicedDivergence, $"{name}: {before} to {after}.");
        var plain = scene.Whole();
        using (ActivationTap.Splice(scene.Model, Point, autoencoder))
            Close.Check("with the error kept", plain, scene.Whole(), relativeToLargest: 1e-4);
        using (ActivationTap.Splice(scene.Model, Point, autoencoder, edits: [FeatureEdit.Clamp(0, 5)]))
            Assert.True(PublishedScene.Distance(plain, scene.Whole()) > 1e-3);

        IEnumerable<Tensor> Activations()
        {
            using var tap = ActivationTap.Read(scene.Model, Point);
            while (true)
            {
                using (no_grad())
                    scene.Model.call(tokens, null).Dispose();
                yield return tap.Latest!.reshape(-1, width);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Folders))]
    [Trait("Category", "Golden")]
    public void Its_sampler_and_a_text_generator_go_on_as_the_official_code_does(string name)
    {
        using var scope = NewDisposeScope();
        using var scene = PublishedScene.Load(name, builder => builder.AddAutoregressiveSampler(sampler => sampler.Temperature = 0));
        var (prompt, wanted) = (scene.Expected("greedy.prompt"), scene.Expected("greedy.tokens"));
        var expected = wanted.data<long>().ToArray();
        var sampled = new List<long>();
        foreach (var grid in scene.Model.CreateSampler().Sample(new SampleRequest(prompt, expected.Length)))
        {
            using (grid)
                sampled = [.. grid[0].narrow(0, prompt.size(1), grid.size(1) - prompt.size(1)).contiguous().data<long>()];
        }
        Assert.Equal(expected, sampled);

        // A tokenizer of one character a token: '!' is 0.
        var vocabulary = new BytePairVocabulary(Enumerable.Range(0, (int)scene.Model.VocabSize).ToDictionary(Text, id => id), [], null);
        var generator = new TextGenerator(scene.Model.CreateSampler(), vocabulary.CreateTokenizer());
        var text = generator.Generate([string.Concat(prompt.data<long>().Select(id => Text((int)id)))], new GenerationOptions { MaxOutputTokens = expected.Length });
        Assert.Equal([string.Concat(expected.Select(id => Text((int)id)))], text);

        static string Text(int id) => ((char)('!' + id)).ToString();
    }

    [Theory]
    [MemberData(nameof(Folders))]
    [Trait("Category", "Golden")]
    public void Fine_tuning_lowers_the_loss_of_adapters_and_of_all_weights(string name)
    {
        foreach (var isAdapted in new[] { true, false })
        {
            using var scope = NewDisposeScope();
            using var scene = PublishedScene.Load(name, builder => _ = isAdapted ? builder.UseLora(lora => lora.Rank = 4) : builder, ScalarType.Float32);
            var before = scene.Model.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter.detach().clone());
            var losses = new List<double>();
            var task = new FineTuner(
                scene.Model,
                [new SupervisedExample([3, 4, 5, 6, 7, 8, 9, 10], [false, false, true, true, true, true, true, true]), new SupervisedExample([11, 3, 12, 3, 13], [false, true, true, true, true])],
                new FineTuningOptions { RowLength = 16, RowCount = 1, TrainsAdaptersOnly = isAdapted });
            using (var trainer = new Trainer(task, new TrainingOptions { Steps = 15, LearningRate = 5e-3, WeightDecay = 0 }))
                trainer.Run(step => losses.Add(step.Loss));

            Assert.True(losses[^1] < losses[0] - 0.3, $"{name}: {losses[0]} to {losses[^1]}.");
            foreach (var (parameterName, parameter) in scene.Model.named_parameters().Where(_ => isAdapted))
                Assert.Equal(parameterName.Contains("lora_", StringComparison.Ordinal), !parameter.equal(before[parameterName]).all().item<bool>());
        }
    }
}
