using LmKit.Conformance;

namespace LmKit.Core.Tests;

/// <summary>The best checkpoint, and runs that end before their last step.</summary>
[NoTensorLeak]
public sealed class BestCheckpointTests : IDisposable
{
    private static readonly double[] Falling = [5, 3, 4, 4, 2.5, 6, 6, 6];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_best_step_is_kept_besides_the_newest_two_and_its_weights_come_back()
    {
        using var task = new ScriptedTask(Falling);
        using var trainer = new Trainer(task, Options(options => (options.KeepsBest, options.CheckpointInterval) = (true, 1)));
        var weights = new List<double>();
        trainer.Run(_ => weights.Add(task.Weight));
        Assert.Equal(["step-00000005", "step-00000007", "step-00000008"], folder.Names);
        Assert.Equal(new TrainingBest(5, 2.5), trainer.Best);
        Assert.True(trainer.LoadBest());
        Assert.Equal(weights[4], task.Weight);
        Assert.NotEqual(weights[7], task.Weight);

        using var second = new ScriptedTask(Falling);
        using var resumed = new Trainer(second, Options(options => options.KeepsBest = true));
        Assert.True(resumed.Resume());
        Assert.Equal(trainer.Best, resumed.Best);
        Assert.True(resumed.LoadBest());
        Assert.Equal(weights[4], second.Weight);
    }

    [Fact]
    public void The_average_that_was_evaluated_is_what_the_best_step_gives()
    {
        using var task = new ScriptedTask(Falling);
        using var trainer = new Trainer(task, Options(options => (options.KeepsBest, options.AverageDecay) = (true, 0.5)));
        var averages = new List<double>();
        trainer.Run(_ => averages.Add(trainer.Average!.Tensors["weight"].item<float>()));
        Assert.True(trainer.LoadBest());
        Assert.Equal(averages[4], task.Weight);
    }

    [Fact]
    public void A_best_step_is_there_whichever_checkpoint_a_run_continues_from()
    {
        using (var task = new ScriptedTask(Falling))
        using (var trainer = new Trainer(task, Options(options => options.KeepsBest = true)))
        {
            for (var step = 0; step < 6; step++)
                _ = trainer.Advance();
        }
        // Improvements save: step 2, whose best is 2, then step 5, whose best is 5.
        Assert.Equal(["step-00000002", "step-00000005"], folder.Names);
        File.WriteAllText(CheckpointSurgery.HeaderFile(folder["step-00000005"]), "{");
        using var again = new ScriptedTask(Falling);
        using var resumed = new Trainer(again, Options(options => options.KeepsBest = true));
        Assert.True(resumed.Resume());
        Assert.Equal((2, 2), (resumed.Step, resumed.Best!.Step));
        Assert.True(resumed.LoadBest());
    }

    [Fact]
    public void A_best_checkpoint_that_is_gone_or_was_never_asked_for_is_said()
    {
        using var task = new ScriptedTask(Falling);
        using var trainer = new Trainer(task, Options(options => options.KeepsBest = true));
        Assert.False(trainer.LoadBest());
        trainer.Run();
        Directory.Delete(folder["step-00000005"], recursive: true);
        Assert.Contains("step 5, the best one, is gone", Assert.Throws<CheckpointException>(() => trainer.LoadBest()).Message, StringComparison.Ordinal);
        using var without = new Trainer(task, Options(_ => { }));
        Assert.Contains("KeepsBest", Assert.Throws<InvalidOperationException>(() => without.LoadBest()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, 0.0, 4)]
    [InlineData(1, 0.0, 3)]
    [InlineData(2, 2.0, 4)]
    [InlineData(3, 0.6, 5)]
    public void A_run_ends_when_its_evaluations_bring_no_improvement(int patience, double minImprovement, long lastStep)
    {
        using var task = new ScriptedTask(Falling);
        using var trainer = new Trainer(task, Options(options => (options.Patience, options.MinImprovement) = (patience, minImprovement)));
        trainer.Run();
        Assert.Equal((lastStep, TrainingEnd.EarlyStop), (trainer.Step, trainer.End));
        Assert.Equal([$"step-{lastStep:D8}"], folder.Names);
        Assert.Contains($"{patience} evaluations", trainer.EndReason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_was_resumed_waits_no_longer_and_no_shorter()
    {
        using (var task = new ScriptedTask(Falling))
        using (var trainer = new Trainer(task, Options(options => options.Patience = 2)))
        {
            for (var step = 0; step < 3; step++)
                _ = trainer.Advance();
            trainer.Save();
        }
        using (var second = new ScriptedTask(Falling))
        using (var resumed = new Trainer(second, Options(options => options.Patience = 2)))
        {
            Assert.True(resumed.Resume());
            resumed.Run();
            Assert.Equal((4, TrainingEnd.EarlyStop), (resumed.Step, resumed.End));
        }
        using var third = new ScriptedTask(Falling);
        using var ended = new Trainer(third, Options(options => options.Patience = 2));
        Assert.True(ended.Resume());
        Assert.Null(ended.Advance());
        Assert.Equal((4, TrainingEnd.EarlyStop), (ended.Step, ended.End));
    }

    [Fact]
    public void An_evaluation_that_is_not_a_number_is_no_improvement()
    {
        using var task = new ScriptedTask([double.NaN, 3, double.NaN, 4, 5, 5]);
        using var trainer = new Trainer(task, Options(options => (options.Patience, options.KeepsBest) = (3, true)));
        trainer.Run();
        Assert.Equal((5, new TrainingBest(2, 3)), (trainer.Step, trainer.Best));
    }

    [Fact]
    public void A_run_whose_time_is_over_keeps_a_checkpoint_and_can_be_run_on()
    {
        using var task = new ScriptedTask([]);
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 3, MaxDuration = TimeSpan.FromTicks(1), CheckpointFolder = folder.Path });
        trainer.Run();
        Assert.Equal((1, TrainingEnd.Budget), (trainer.Step, trainer.End));
        Assert.Equal(["step-00000001"], folder.Names);
        trainer.Run();
        trainer.Run();
        Assert.Equal((3, TrainingEnd.Steps), (trainer.Step, trainer.End));
    }

    [Fact]
    public void Damaged_evaluations_are_refused_by_name()
    {
        using (var task = new ScriptedTask(Falling))
        using (var trainer = new Trainer(task, Options(options => options.KeepsBest = true)))
            trainer.Run();
        CheckpointSurgery.ChangePart(folder["step-00000005"], "run", tensors => tensors["evaluations"][0].fill_(7.5));
        Directory.Delete(folder["step-00000002"], recursive: true);
        using var second = new ScriptedTask(Falling);
        using var resumed = new Trainer(second, Options(options => options.KeepsBest = true));
        Assert.Contains("7.5", Assert.Throws<CheckpointException>(() => resumed.Resume()).Message, StringComparison.Ordinal);
    }

    private TrainingOptions Options(Action<TrainingOptions> change)
    {
        var options = new TrainingOptions { Steps = Falling.Length, EvaluationInterval = 1, CheckpointFolder = folder.Path };
        change(options);
        return options;
    }
}
