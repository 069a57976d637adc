using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public sealed class TrainerCheckpointTests : TrainingScene
{
    [Fact]
    public void A_resumed_run_equals_the_uninterrupted_run_bit_for_bit()
    {
        using var whole = Model(dropout: 0.1);
        using var wholeTrainer = new Trainer(new LanguageModelTask(whole, Data, 32, 4, 1, Data), Options(12, evaluationInterval: 4));
        var expected = Run(wholeTrainer);

        using var first = Model(dropout: 0.1);
        using var firstTrainer = new Trainer(new LanguageModelTask(first, Data, 32, 4, 1, Data), Options(12, checkpointInterval: 5, evaluationInterval: 4));
        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => firstTrainer.Run(new Synchronous(step => { if (step.Step == 7) stop.Cancel(); }), stop.Token));

        using var second = Model(dropout: 0.1);
        using var secondTrainer = new Trainer(new LanguageModelTask(second, Data, 32, 4, 1, Data), Options(12, checkpointInterval: 5, evaluationInterval: 4));
        Assert.True(secondTrainer.Resume());
        Assert.Equal(7, secondTrainer.Step);
        var continued = Run(secondTrainer);
        Assert.Equal(expected.Skip(7).Select(step => step.Loss), continued.Select(step => step.Loss));
        Assert.Equal(expected.Skip(7).Select(step => step.EvaluationLoss), continued.Select(step => step.EvaluationLoss));
        Assert.Equal(2, continued.Count(step => step.EvaluationLoss is not null));
        foreach (var (name, parameter) in whole.named_parameters())
            Assert.True(parameter.Equals(second.get_parameter(name)!), name);
        Assert.Equal(wholeTrainer.Average!.UpdateCount, secondTrainer.Average!.UpdateCount);
        var averages = secondTrainer.Average.Tensors;
        Assert.All(wholeTrainer.Average.Tensors, pair => Assert.True(pair.Value.Equals(averages[pair.Key]), pair.Key));
    }

    [Fact]
    public void The_checkpoints_of_another_run_are_neither_removed_nor_replaced()
    {
        using (var model = Model())
        using (var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 2, 1), Options(4, checkpointInterval: 2)))
            Run(trainer);
        var theirs = File.ReadAllText(Path.Combine(Checkpoints, "step-00000002", "trainer.json"));
        using var other = Model();
        using var second = new Trainer(new LanguageModelTask(other, Data, 16, 2, 2), Options(9, checkpointInterval: 3));
        Run(second);
        Assert.Equal(theirs, File.ReadAllText(Path.Combine(Checkpoints, "step-00000002", "trainer.json")));
        Assert.True(Directory.Exists(Path.Combine(Checkpoints, "step-00000004")));
        using var third = Model();
        using var clash = new Trainer(new LanguageModelTask(third, Data, 16, 2, 3), Options(4, checkpointInterval: 2));
        Assert.Contains("another run", Assert.Throws<IOException>(() => Run(clash)).Message, StringComparison.Ordinal);
        Assert.Equal(theirs, File.ReadAllText(Path.Combine(Checkpoints, "step-00000002", "trainer.json")));
    }

    [Fact]
    public void A_loss_that_is_not_finite_stops_with_the_step_and_keeps_the_last_checkpoint()
    {
        using var model = Model();
        using var trainer = new Trainer(new LanguageModelTask(model, Data, 32, 4, 1), Options(10, checkpointInterval: 2));
        var error = Assert.Throws<TrainingDivergedException>(() => trainer.Run(new Synchronous(step =>
        {
            if (step.Step == 5)
            {
                using var frozen = no_grad();
                model.parameters().First().fill_(double.NaN);
            }
        })));
        Assert.Equal(6, error.Step);
        Assert.EndsWith("step-00000004", error.Checkpoint, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(error.Checkpoint!, "model.safetensors")));
    }

    [Fact]
    public void Old_checkpoints_go_and_the_last_two_stay()
    {
        using var model = Model();
        using var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 2, 1), Options(8, checkpointInterval: 2));
        Run(trainer);
        Assert.Equal(
            ["step-00000006", "step-00000008"],
            Directory.EnumerateDirectories(Checkpoints).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void Weights_that_are_not_finite_are_never_saved_over_good_checkpoints()
    {
        using var model = Model();
        using var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 2, 1), Options(8, checkpointInterval: 2));
        var error = Assert.Throws<TrainingDivergedException>(() => trainer.Run(new Synchronous(step =>
        {
            if (step.Step == 6)
            {
                using var frozen = no_grad();
                model.get_parameter("layers.1.mlp.fc1.weight")!.fill_(double.PositiveInfinity);
            }
        })));
        Assert.Contains("layers.1.mlp.fc1.weight", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("step-00000004", error.Checkpoint, StringComparison.Ordinal);
        Assert.Equal(["step-00000002", "step-00000004"], Directory.EnumerateDirectories(Checkpoints).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void An_interrupted_swap_is_recovered_and_the_litter_of_the_dead_goes()
    {
        SaveOnce(ended: 3);
        CutOff(Path.Combine(Checkpoints, "step-00000002", ".lmkit-save"), "complete", Path.Combine(Checkpoints, "step-00000002", "trainer.json"));
        CutOff(Path.Combine(Checkpoints, "step-00000001.lmkit-save"), "filling", null);
        using var model = Model();
        using var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 2, 1), Options(3));
        Assert.True(trainer.Resume());
        Assert.Equal(2, trainer.Step);
        Run(trainer);
        trainer.Save();
        Assert.Equal(["step-00000002", "step-00000003"], Directory.EnumerateFileSystemEntries(Checkpoints).Select(Path.GetFileName).Order());
    }

    // As a process leaves it that is killed in the middle of a save.
    private static void CutOff(string work, string part, string? moved)
    {
        Directory.CreateDirectory(Path.Combine(work, part));
        File.WriteAllText(Path.Combine(work, "lock"), "");
        if (moved is not null)
            File.Move(moved, Path.Combine(work, part, Path.GetFileName(moved)));
    }

    [Theory]
    [InlineData("model.average")]
    [InlineData("model.optimizer")]
    [InlineData("progress")]
    public void Resuming_checks_everything_before_it_changes_anything(string part)
    {
        SaveOnce();
        CheckpointSurgery.ChangePart(Path.Combine(Checkpoints, "step-00000002"), part, tensors =>
        {
            var (name, value) = tensors.First(pair => pair.Value.numel() > 1);
            tensors[name] = value.is_floating_point() ? value.to(ScalarType.Float64) : value.to(ScalarType.Int16);
        });
        using var model = Model();
        var before = model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.detach().clone());
        using var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 2, 1), Options(2));
        var error = Assert.Throws<CheckpointMismatchException>(() => trainer.Resume());
        Assert.Single(error.WrongDtype);
        Assert.Equal(0, trainer.Step);
        foreach (var (name, parameter) in model.named_parameters())
        {
            Assert.True(before[name].Equals(parameter), name);
            before[name].Dispose();
        }
    }

    [Fact]
    public void A_checkpoint_without_an_average_does_not_resume_a_run_that_keeps_one()
    {
        var options = Options(2);
        options.AverageDecay = 0;
        SaveOnce(options);
        using var model = Model();
        using var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 2, 1), Options(2));
        Assert.Equal("average_decay: expected 0.99, found 0", Assert.Single(Assert.Throws<CheckpointMismatchException>(() => trainer.Resume()).WrongValue).ToString());
    }

    [Theory]
    [InlineData(24, 2, 1, "window_length: expected 24, found 16")]
    [InlineData(16, 3, 1, "batch_size: expected 3, found 2")]
    [InlineData(16, 2, 9, "seed: expected 9, found 1")]
    public void The_progress_of_another_run_is_refused_by_name(long length, long batchSize, long seed, string difference)
    {
        SaveOnce();
        using var model = Model();
        using var trainer = new Trainer(new LanguageModelTask(model, Data, length, batchSize, seed), Options(2));
        Assert.Equal(difference, Assert.Single(Assert.Throws<CheckpointMismatchException>(() => trainer.Resume()).WrongValue).ToString());
        Assert.Equal(0, trainer.Step);
    }

    [Fact]
    public void Progress_in_other_data_is_refused()
    {
        SaveOnce();
        using var other = TokenDataset.Create([new TextDocument("other", new string('x', 4000))], ModelTokenizer.Bytes, Checkpoints + ".other");
        using var model = Model();
        using var trainer = new Trainer(new LanguageModelTask(model, other, 16, 2, 1), Options(2));
        Assert.Equal(["data_key", "data_count"], Assert.Throws<CheckpointMismatchException>(() => trainer.Resume()).WrongValue.Select(pair => pair.Name));
    }

    // Of a run of so many steps the checkpoint at step 2.
    private void SaveOnce(TrainingOptions? options = null, long ended = 2)
    {
        using var model = Model();
        using var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 2, 1), options ?? Options(ended));
        using var stop = new CancellationTokenSource();
        try
        {
            trainer.Run(new Synchronous(step => { if (step.Step == 2) stop.Cancel(); }), stop.Token);
            trainer.Save();
        }
        catch (OperationCanceledException)
        {
            Assert.Equal(2, trainer.Step); // which was saved on the way out
        }
    }
}
