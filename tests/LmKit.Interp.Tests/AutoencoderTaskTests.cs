using System.Runtime.CompilerServices;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public sealed class AutoencoderTaskTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Any_kind_of_batches_gives_the_same_run_and_goes_on_where_it_was()
    {
        var kinds = new Func<SparseAutoencoder, AutoencoderTask>[]
        {
            autoencoder => AutoencoderTask.OnBatches(autoencoder, AutoencoderRun.Batches(), Options),
            autoencoder => AutoencoderTask.OnBatches(autoencoder, Later(), Options),
            autoencoder => AutoencoderTask.OnBatches(autoencoder, from => Enumerable.Range((int)from, 20).Select(step => (AutoencoderRun.Batch(step), default(Tensor))).ToAsyncEnumerable(), Options),
        };
        double[] Go(Func<SparseAutoencoder, AutoencoderTask> make, string? path = null, int steps = 10)
        {
            using var autoencoder = TopK();
            using var run = new AutoencoderRun(make(autoencoder), path);
            if (path is not null && Directory.Exists(path))
                Assert.True(run.Trainer.Resume());
            run.Advance(steps);
            if (path is not null)
                _ = run.Trainer.Save();
            return Values(autoencoder);
        }
        var expected = Go(kinds[0]);
        foreach (var (index, make) in kinds.Index())
        {
            Assert.Equal(expected, Go(make));
            _ = Go(make, folder[$"{index}"], 4);
            Assert.Equal(expected, Go(make, folder[$"{index}"], 6));
        }
    }

    [Fact]
    public void A_run_goes_back_to_its_checkpoint_in_place()
    {
        using var autoencoder = TopK();
        using var run = new AutoencoderRun(autoencoder, Options, folder["run"]);
        run.Advance(3);
        _ = run.Trainer.Save();
        run.Advance(4);
        var expected = Values(autoencoder);
        Assert.True(run.Trainer.Resume());
        run.Advance(4);
        Assert.Equal(expected, Values(autoencoder));
    }

    [Fact]
    public void Fewer_batches_than_a_run_has_taken_are_refused_with_both_counts()
    {
        using (var autoencoder = TopK())
        using (var run = new AutoencoderRun(autoencoder, Options, folder["run"]))
        {
            run.Advance(3);
            _ = run.Trainer.Save();
        }
        using var other = TopK();
        using var short1 = new AutoencoderRun(AutoencoderTask.OnBatches(other, AutoencoderRun.Batches().Take(2), Options), folder["run"]);
        Assert.True(short1.Trainer.Resume());
        Assert.Contains("ended after 2; the run that is continued had taken 3", Assert.Throws<InvalidOperationException>(() => short1.Trainer.Advance()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Batches_that_end_end_the_run_with_a_word_about_it()
    {
        using var autoencoder = TopK();
        using var run = new AutoencoderRun(AutoencoderTask.OnBatches(autoencoder, AutoencoderRun.Batches().Take(2), Options));
        run.Trainer.Run();
        Assert.Equal((2, TrainingEnd.Data), (run.Trainer.Step, run.Trainer.End));
        Assert.Null(run.Trainer.Advance());
    }

    [Fact]
    public void A_run_that_waits_for_a_batch_can_be_cancelled_and_goes_on_with_that_batch()
    {
        using var stop = new CancellationTokenSource();
        using var autoencoder = TopK();
        using var run = new AutoencoderRun(AutoencoderTask.OnBatches(autoencoder, from => Stuck((int)from), Options), folder["run"]);
        Assert.ThrowsAny<OperationCanceledException>(() => run.Trainer.Run((Action<TrainingStep>?)null, stop.Token));
        Assert.Equal(3, run.Trainer.Step);
        Assert.True(Directory.Exists(Path.Combine(folder["run"], "step-00000003")));
        run.Trainer.Run();
        using var whole = TopK();
        using (var plain = new AutoencoderRun(whole, Options))
            plain.Trainer.Run();
        Assert.Equal(Values(whole), Values(autoencoder));

        async IAsyncEnumerable<(Tensor, Tensor?)> Stuck(int from, [EnumeratorCancellation] CancellationToken cancellation = default)
        {
            for (var step = from; ; step++)
            {
                if (step == 3 && !stop.IsCancellationRequested)
                {
                    stop.Cancel();
                    await System.Threading.Tasks.Task.Delay(Timeout.Infinite, cancellation);
                }
                yield return (AutoencoderRun.Batch(step), null);
            }
        }
    }

    [Fact]
    public void A_cancelled_run_over_batches_in_memory_goes_on_with_the_batch_that_is_next()
    {
        using var stop = new CancellationTokenSource();
        var made = 0;
        IEnumerable<Tensor> Once()
        {
            while (true)
            {
                if (made == 4)
                    stop.Cancel();
                yield return AutoencoderRun.Batch(made++); // a second time they would be others
            }
        }
        using var autoencoder = TopK();
        using var run = new AutoencoderRun(AutoencoderTask.OnBatches(autoencoder, Once(), Options));
        Assert.ThrowsAny<OperationCanceledException>(() => run.Trainer.Run((Action<TrainingStep>?)null, stop.Token));
        Assert.Equal(5, run.Trainer.Step);
        run.Trainer.Run();
        Assert.Equal(10, made);
    }

    [Fact]
    public void A_batch_without_rows_is_refused_in_words()
    {
        string Refusal(Tensor batch)
        {
            using var autoencoder = TopK();
            using var run = new AutoencoderRun(AutoencoderTask.OnBatches(autoencoder, [batch], Options));
            var message = Assert.Throws<ArgumentException>(() => run.Trainer.Advance()).Message;
            Assert.Equal(0, run.Trainer.Step);
            Assert.True(batch.IsInvalid);
            return message;
        }
        Assert.Contains("(0, 4)", Refusal(zeros(0, 4)), StringComparison.Ordinal);
        Assert.Contains("(4)", Refusal(zeros(4)), StringComparison.Ordinal);
    }

    [Fact]
    public void Training_records_gradients_whatever_mode_its_caller_is_in()
    {
        double[] Go(bool isFrozen)
        {
            using var autoencoder = TopK();
            using var run = new AutoencoderRun(autoencoder, Options);
            using var mode = isFrozen ? no_grad() : null;
            run.Advance(3);
            return Values(autoencoder);
        }
        Assert.Equal(Go(false), Go(true));
    }

    [Fact]
    public void A_step_that_fails_leaves_the_weights_and_the_penalty_as_they_were()
    {
        using var autoencoder = TopK(options => options.SparsityCoefficient = 0.5);
        var options = Options;
        options.SparsityWarmupSteps = 10;
        using var run = new AutoencoderRun(AutoencoderTask.OnBatches(autoencoder, [full([4, 4], 1e30)], options));
        var before = Values(autoencoder);
        Assert.Throws<TrainingDivergedException>(() => run.Trainer.Advance());
        Assert.Equal(0.5, autoencoder.Options.SparsityCoefficient);
        Assert.Equal(before, Values(autoencoder));
        Assert.Equal(0, run.Trainer.Step);
    }

    [Fact]
    public void A_step_reports_the_terms_of_its_loss_and_what_the_codes_do()
    {
        using var autoencoder = TopK(options => (options.SparsityCoefficient, options.AfaCoefficient) = (0.1, 0.2));
        using var run = new AutoencoderRun(autoencoder, Options);
        var step = run.Trainer.Advance()!;
        Assert.Equal(["active_count", "afa", "dead_count", "l1", "reconstruction"], step.Figures.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(step.Loss, step.Figures["reconstruction"] + step.Figures["l1"] + step.Figures["afa"], 1e-5);
        Assert.Equal((0.01, 10L), (step.LearningRate, step.TotalSteps));
        Assert.True(step.GradientNorm > 0);
    }

    [Fact]
    public void The_penalty_grows_from_nothing_to_its_weight_over_its_warm_up()
    {
        using var autoencoder = TopK(options => options.SparsityCoefficient = 0.1);
        var options = new AutoencoderTaskOptions { Steps = 8, LearningRate = 0, SparsityWarmupSteps = 4 };
        using var run = new AutoencoderRun(AutoencoderTask.OnBatches(autoencoder, Enumerable.Range(0, 8).Select(_ => AutoencoderRun.Batch(0)), options));
        var penalties = new List<double>();
        run.Trainer.Run(step => penalties.Add(step.Figures.GetValueOrDefault("l1")));
        var whole = penalties[^1];
        Assert.True(whole > 0);
        Assert.All(penalties.Index(), entry => Assert.Equal(whole * Math.Min(1, entry.Index / 4.0), entry.Item, whole * 1e-5));
    }

    private static AutoencoderTaskOptions Options => new() { Steps = 10, DecayShare = 0.5, LearningRate = 0.01, DeadHorizon = 2, ResampleInterval = 3 };

    private static async IAsyncEnumerable<Tensor> Later()
    {
        await System.Threading.Tasks.Task.CompletedTask; // on this thread, so that its tensors are counted
        foreach (var batch in AutoencoderRun.Batches())
            yield return batch;
    }

    private static TopKAutoencoder TopK(Action<TopKOptions>? configure = null)
    {
        using var random = new Generator(0);
        var options = new TopKOptions { ModelDim = 4, FeatureCount = 8, ActiveCount = 2 };
        configure?.Invoke(options);
        return new TopKAutoencoder(options, new ParameterFactory(random));
    }

    private static double[] Values(nn.Module module)
    {
        using var scope = NewDisposeScope();
        return [.. module.state_dict().Values.SelectMany(value => value.detach().to(ScalarType.Float64).flatten().data<double>().ToArray())];
    }
}
