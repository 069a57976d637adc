using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public class SyntheticFeaturesTests
{
    [Fact]
    public void Code_norms_are_near_input_norms_and_top_AFA_counts_the_active_features()
    {
        // R1 of the evaluation plan, in its own windows.
        using var scope = NewDisposeScope();
        using var random = new Generator(0);
        using var features = SyntheticFeatures.Make(128, 64, random);
        var (activations, codes) = features.Draw(2048, random);
        Assert.True(DecoderCoherence.Of(features.Directions).LargestAbsolute < 0.2);
        Close.Check("unit", ones(128), features.Directions.norm(1), absolute: 1e-5);
        Assert.InRange((codes.norm(1) / activations.norm(1)).mean().item<float>(), 0.99, 1.01);
        var truth = codes.gt(0).sum(1);
        Assert.Equal((1, 8), (truth.min().item<long>(), truth.max().item<long>()));
        double Correlation(Tensor values) => FeatureRecovery.Correlation(TopAfaSelection.Choose(values, features.Directions.norm(1), activations.norm(1)).Counts, truth);
        Assert.True(Correlation(codes) >= 0.95);
        Assert.True(Correlation(activations.mm(features.Directions.t()).relu()) >= 0.65);
    }

    [Fact]
    public void The_true_dictionary_recovers_everything_and_a_random_one_nothing()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(0);
        using var features = SyntheticFeatures.Make(24, 16, random, mostActive: 3, steps: 50);
        var (activations, codes) = features.Draw(300, random);
        using var autoencoder = new TopKAutoencoder(new TopKOptions { ModelDim = 16, FeatureCount = 24, ActiveCount = 3 }, new ParameterFactory(random));
        var before = FeatureRecovery.Of(autoencoder, features.Directions, activations, codes);
        autoencoder.get_parameter("W_dec")!.copy_(features.Directions);
        autoencoder.get_parameter("W_enc")!.copy_(features.Directions.t());
        var after = FeatureRecovery.Of(autoencoder, features.Directions, activations, codes);
        Assert.True(before.Recovered < 0.5);
        Assert.Equal((1.0, 3.0), (after.Recovered, after.ActiveCount));
        Assert.Equal(1, after.MaxCosine, 4);
        Assert.True(after.Recall > 0.8 && after.Recall > before.Recall);
    }

    [Fact]
    public async Task A_run_over_batches_ends_with_its_steps_and_serves_every_row()
    {
        using var random = new Generator(0);
        using var rows = tensor(Enumerable.Range(0, 40).Select(index => (float)(index / 4)).ToArray(), [10, 4]);
        var seen = new List<float>();
        foreach (var batch in ActivationEpochs.Of(rows, 4, 2, random))
        {
            seen.AddRange(batch.data<float>().Where((_, index) => index % 4 == 0));
            batch.Dispose();
        }
        Assert.Equal(3, ActivationEpochs.Count(10, 4));
        Assert.All(seen.CountBy(value => value), pair => Assert.Equal(2, pair.Value));

        using var autoencoder = new TopKAutoencoder(new TopKOptions { ModelDim = 4, FeatureCount = 8, ActiveCount = 2 }, new ParameterFactory(random));
        using (var task = AutoencoderTask.OnBatches(autoencoder, ActivationEpochs.Of(rows, 5, 1, random), new() { Steps = 4 }))
        using (var trainer = new Trainer(task))
        {
            trainer.Run();
            trainer.Run();
            Assert.Equal((2, TrainingEnd.Data), (trainer.Step, trainer.End));
        }
        using (var task = AutoencoderTask.OnBatches(autoencoder, Later(ActivationEpochs.Of(rows, 5, 9, random)), new() { Steps = 4 }))
        using (var trainer = new Trainer(task))
        {
            await trainer.RunAsync();
            Assert.Equal((4, TrainingEnd.Steps), (trainer.Step, trainer.End));
        }

        static async IAsyncEnumerable<Tensor> Later(IEnumerable<Tensor> batches)
        {
            foreach (var batch in batches)
            {
                await System.Threading.Tasks.Task.Yield();
                yield return batch;
            }
        }
    }

    [Fact]
    public async Task A_finished_run_takes_no_batch()
    {
        using var random = new Generator(0);
        using var rows = ones([8, 4]);
        using var autoencoder = new TopKAutoencoder(new TopKOptions { ModelDim = 4, FeatureCount = 8, ActiveCount = 2 }, new ParameterFactory(random));
        var taken = 0;
        using var task = AutoencoderTask.OnBatches(autoencoder, Counted(), new() { Steps = 2 });
        using var trainer = new Trainer(task);
        trainer.Run();
        trainer.Run();
        Assert.Null(trainer.Advance());
        await trainer.RunAsync();
        Assert.Equal((2, 2), (trainer.Step, taken));

        IEnumerable<Tensor> Counted()
        {
            while (true)
            {
                taken++;
                yield return rows.clone();
            }
        }
    }

    [Fact]
    public void Epochs_go_on_at_the_step_where_a_run_was_cut_off()
    {
        using var scope = NewDisposeScope();
        using var rows = arange(10).unsqueeze(1);
        long[][] Batches(long start)
        {
            using var random = new Generator(7);
            return [.. ActivationEpochs.Of(rows, 4, 3, random, start).Select(batch =>
            {
                using var own = batch;
                return own.data<long>().ToArray();
            })];
        }
        var whole = Batches(0);
        Assert.Equal(9, whole.Length);
        foreach (var start in (int[])[1, 3, 5, 9, 20])
            Assert.Equal(whole.Skip(start), Batches(start));
    }
}
