using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>The laws of a training task and of the run that <see cref="Trainer"/> makes of it.</summary>
/// <remarks>The suite sets the run's checkpoint folder and interval; everything else is the subject's.</remarks>
[NoTensorLeak]
public abstract class TrainingTaskConformance : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("lmkit-task-").FullName;
    private int runs;

    /// <summary>Makes a run from scratch, the same each time: modules, data, task. A few steps, three at least; the suite disposes it.</summary>
    /// <param name="change">What is different about it.</param>
    protected abstract TrainingSubject Create(TaskChange change);

    /// <summary>What a refusal says of a changed run: the name of the entry that differs; null where the task has nothing of the kind.</summary>
    protected abstract string? Difference(TaskChange change);

    [Fact]
    public void A_run_that_is_saved_restored_and_continued_equals_the_uninterrupted_one()
    {
        var (expected, end) = Whole();
        foreach (var step in new[] { 1, expected.Count / 2, expected.Count - 1 }.Distinct())
        {
            var folder = NewFolder();
            using (var first = Start(folder))
            {
                Assert.Equal(expected.Take(step).Select(Shown), Take(first.Trainer, step).Select(Shown));
                first.Trainer.Save();
            }
            Continues(folder, expected, end, step, $"saved after step {step}");
        }
    }

    [Fact]
    public void A_run_that_saves_after_every_step_equals_one_that_never_does()
    {
        var (expected, end) = Whole();
        using var run = Start(NewFolder(), interval: 1);
        Assert.Equal(expected.Select(Shown), Take(run.Trainer).Select(Shown));
        Assert.Equal(end, Parts(run.Trainer.Save()));
    }

    [Fact]
    public void One_step_at_a_time_it_is_the_same_run()
    {
        var (expected, end) = Whole();
        using var single = Start(NewFolder());
        var steps = Take(single.Trainer);
        Assert.NotNull(single.Trainer.End);
        Assert.Null(single.Trainer.Advance());
        Assert.Equal(expected.Select(Shown), steps.Select(Shown));
        Assert.Equal(end, Parts(single.Trainer.Save()));
    }

    [Fact]
    public async Task On_threads_of_the_pool_it_is_the_same_run()
    {
        var (expected, _) = Whole();
        using var pooled = Start(NewFolder());
        var steps = new List<TrainingStep>();
        await pooled.Trainer.RunAsync(steps.Add);
        Assert.Equal(expected.Select(Shown), steps.Select(Shown));
    }

    [Fact]
    public void Evaluating_changes_nothing_of_a_run()
    {
        var (expected, end) = Whole();
        using var run = Start(NewFolder(), configure: (task, options) => options.EvaluationInterval = task.CanEvaluate ? 1 : 0);
        if (run.Options.EvaluationInterval == 0)
            return;
        var steps = Take(run.Trainer);
        Assert.All(steps, step => Assert.NotNull(step.Evaluation));
        Assert.Equal(expected.Select(step => Shown(step with { Evaluation = null })), steps.Select(step => Shown(step with { Evaluation = null })));
        Assert.Equal(end, Parts(run.Trainer.Save()));
    }

    [Fact]
    public void A_cancelled_run_loses_nothing()
    {
        var (expected, end) = Whole();
        var folder = NewFolder();
        using (var cancelled = Start(folder))
        using (var stop = new CancellationTokenSource())
        {
            var done = new List<TrainingStep>();
            Assert.ThrowsAny<OperationCanceledException>(() => cancelled.Trainer.Run(
                step =>
                {
                    done.Add(step);
                    if (step.Step == 2)
                        stop.Cancel();
                },
                stop.Token));
            Assert.Equal(2, done.Count);
        }
        Continues(folder, expected, end, 2, "cancelled after step 2");
    }

    [Fact]
    public void A_killed_run_loses_nothing_before_its_last_checkpoint()
    {
        var (expected, end) = Whole();
        var folder = NewFolder();
        using (var killed = Start(folder, interval: 2))
            _ = Take(killed.Trainer, 3);
        Continues(folder, expected, end, 2, "killed after step 3");
    }

    [Fact]
    public void A_damaged_newest_checkpoint_is_reported_and_the_one_before_taken()
    {
        var (expected, end) = Whole();
        var folder = NewFolder();
        using (var first = Start(folder, interval: 1))
            _ = Take(first.Trainer, 2);
        var newest = Folders(folder)[^1];
        File.WriteAllBytes(Directory.EnumerateFiles(newest, "*.safetensors").Order().First(), [1, 2, 3]);
        var report = Continues(folder, expected, end, 1, "damaged after step 2");
        Assert.Equal(newest, Assert.Single(report.Damaged).Folder);
    }

    [Theory]
    [InlineData(TaskChange.Seed)]
    [InlineData(TaskChange.Data)]
    [InlineData(TaskChange.Recipe)]
    [InlineData(TaskChange.Window)]
    public void A_checkpoint_of_another_run_is_refused_by_name_and_nothing_is_changed(TaskChange change)
    {
        if (Difference(change) is not { } name)
            return;
        var folder = NewFolder();
        using (var first = Start(folder))
        {
            _ = Take(first.Trainer, 1);
            first.Trainer.Save();
        }
        using var other = Start(folder, change: change);
        var error = Refuses<CheckpointMismatchException>(other);
        Assert.Contains(error.WrongValue.Concat(error.WrongShape), difference => difference.Name.Contains(name, StringComparison.Ordinal));
    }

    [Fact]
    public void A_number_of_a_checkpoint_that_is_not_finite_is_refused_by_file_and_tensor()
    {
        var folder = NewFolder();
        using (var first = Start(folder))
        {
            _ = Take(first.Trainer, 2);
            first.Trainer.Save();
        }
        var checkpoint = Folders(folder).Single();
        using var run = Start(folder);
        foreach (var (part, name) in Floating(checkpoint))
        {
            var file = Path.Combine(checkpoint, part + ".safetensors");
            var (bytes, header) = (File.ReadAllBytes(file), File.ReadAllText(CheckpointSurgery.HeaderFile(checkpoint)));
            CheckpointSurgery.ChangePart(checkpoint, part, tensors => tensors[name].flatten()[-1].fill_(double.NaN));
            var error = Refuses<CheckpointException>(run);
            Assert.Equal((file, name), (error.FilePath, error.TensorName));
            File.WriteAllBytes(file, bytes);
            File.WriteAllText(CheckpointSurgery.HeaderFile(checkpoint), header);
        }
        Assert.True(run.Trainer.Resume());
    }

    [Fact]
    public void Progress_that_lacks_something_or_has_more_is_refused_and_nothing_is_changed()
    {
        using var run = Start(NewFolder());
        _ = Take(run.Trainer, 1);
        using var scope = NewDisposeScope();
        var progress = run.Task.Progress();
        var before = Content(run);
        foreach (var name in progress.Keys)
        {
            var error = Assert.Throws<CheckpointMismatchException>(() => run.Task.Restore(progress.Where(pair => pair.Key != name).ToDictionary()));
            Assert.Contains(name, error.Message, StringComparison.Ordinal);
        }
        Assert.Throws<CheckpointMismatchException>(() => run.Task.Restore(progress.Append(new("nobody_knows", tensor(1L))).ToDictionary()));
        Assert.Equal(before, Content(run));
    }

    [Fact]
    public void A_run_a_cancelled_run_and_a_refused_resume_leave_no_tensor_behind()
    {
        var folder = NewFolder();
        LiveTensors.Unchanged("A run", () =>
        {
            using var run = Start(folder, interval: 1);
            _ = Take(run.Trainer);
        });
        LiveTensors.Unchanged("A resumed run", () =>
        {
            using var run = Start(folder);
            Assert.True(run.Trainer.Resume());
            _ = Take(run.Trainer);
        });
        LiveTensors.Unchanged("A cancelled run", () =>
        {
            using var run = Start(NewFolder());
            _ = Take(run.Trainer, 1);
        });
        using var steady = Start(NewFolder(), interval: 1);
        _ = Take(steady.Trainer, 2);
        LiveTensors.Unchanged("A further step", () => Assert.NotNull(steady.Trainer.Advance()));
        foreach (var file in Directory.EnumerateFiles(Folders(folder)[^1], "*.safetensors").Concat(Directory.EnumerateFiles(Folders(folder)[0], "*.safetensors")))
            File.WriteAllBytes(file, [1, 2, 3]);
        using var refused = Start(folder);
        LiveTensors.Unchanged("A refused resume", () => Assert.Throws<CheckpointException>(() => refused.Trainer.Resume()));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Deletes the suite's checkpoints; a subject's class frees what it has in common for all runs.</summary>
    protected virtual void Dispose(bool disposing) => Directory.Delete(root, recursive: true);

    private static List<TrainingStep> Take(Trainer trainer, int most = int.MaxValue)
    {
        var steps = new List<TrainingStep>();
        while (steps.Count < most && trainer.Advance() is { } step)
            steps.Add(step);
        return steps;
    }

    // All that a step says but for its time.
    private static string Shown(TrainingStep step) => FormattableString.Invariant(
        $"{step.Step} of {step.TotalSteps}: {step.Loss:R}, {step.TokenCount}, {step.GradientNorm:R}, {step.LearningRate:R}, {step.Evaluation}; {string.Join(", ", step.Figures.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => FormattableString.Invariant($"{pair.Key} {pair.Value:R}")))}");

    private static string[] Folders(string folder) => [.. Directory.EnumerateDirectories(folder, "step-*").Order()];

    // Every part with its hash, and the header, but not where it is.
    private static string Parts(string checkpoint) =>
        File.ReadAllText(CheckpointSurgery.HeaderFile(checkpoint)) + string.Join('\n', Directory.EnumerateFiles(checkpoint, "*.safetensors").Order().Select(file => $"{Path.GetFileName(file)} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file)))}"));

    private static List<(string Part, string Name)> Floating(string checkpoint)
    {
        using var scope = NewDisposeScope();
        var found = new List<(string, string)>();
        foreach (var file in Directory.EnumerateFiles(checkpoint, "*.safetensors").Order())
        {
            using var reader = new SafetensorsReader(file);
            found.AddRange(reader.ReadAll().Where(pair => pair.Value.is_floating_point() && pair.Value.numel() > 0).Select(pair => (Path.GetFileNameWithoutExtension(file), pair.Key)));
        }
        return found;
    }

    private static string Content(Run run)
    {
        using var scope = NewDisposeScope();
        var tensors = run.Task.Progress().ToDictionary(pair => $"progress.{pair.Key}", pair => pair.Value);
        foreach (var learner in run.Task.Learners)
        {
            foreach (var (name, value) in learner.Module.state_dict())
                tensors[$"{learner.Name}.{name}"] = value;
        }
        return $"{run.Trainer.Step} {CheckpointSurgery.Hash(tensors)}";
    }

    private static T Refuses<T>(Run run)
        where T : Exception
    {
        var before = Content(run);
        var error = Assert.Throws<T>(() => run.Trainer.Resume());
        Assert.Equal(before, Content(run));
        Assert.Null(run.Trainer.Resumed);
        return error;
    }

    private (List<TrainingStep> Steps, string End) Whole()
    {
        using var run = Start(NewFolder());
        var steps = new List<TrainingStep>();
        run.Trainer.Run(steps.Add);
        Assert.True(steps.Count >= 3, $"A subject takes three steps at least; this one took {steps.Count}.");
        Assert.Contains(steps, step => double.IsFinite(step.Loss));
        return (steps, Parts(run.Trainer.Save()));
    }

    private ResumeReport Continues(string folder, List<TrainingStep> expected, string end, int step, string what)
    {
        using var second = Start(folder);
        Assert.True(second.Trainer.Resume(), what);
        Assert.Equal(step, second.Trainer.Step);
        Assert.Equal(expected.Skip(step).Select(Shown), Take(second.Trainer).Select(Shown));
        Assert.True(end == Parts(second.Trainer.Save()), $"The run that was {what} and continued came to other tensors than the uninterrupted one.");
        return second.Trainer.Resumed!;
    }

    private string NewFolder() => Path.Combine(root, $"run-{runs++}");

    private Run Start(string folder, long interval = 0, TaskChange change = TaskChange.None, Action<ITrainingTask, TrainingOptions>? configure = null)
    {
        var subject = Create(change);
        (subject.Options.CheckpointFolder, subject.Options.CheckpointInterval) = (folder, interval);
        configure?.Invoke(subject.Task, subject.Options);
        return new Run(subject, new Trainer(subject.Task, subject.Options));
    }

    private sealed record Run(TrainingSubject Subject, Trainer Trainer) : IDisposable
    {
        internal ITrainingTask Task => Subject.Task;

        internal TrainingOptions Options => Subject.Options;

        public void Dispose()
        {
            Trainer.Dispose();
            foreach (var one in Subject.Owned)
                one.Dispose();
        }
    }
}

/// <summary>A run under test.</summary>
/// <param name="Task">Its task.</param>
/// <param name="Options">Its options, without a checkpoint folder.</param>
/// <param name="Owned">What is disposed after the trainer, in this order.</param>
public sealed record TrainingSubject(ITrainingTask Task, TrainingOptions Options, params IDisposable[] Owned);

/// <summary>What tells a run from the one whose checkpoint it is given.</summary>
public enum TaskChange
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The seed of its draws.</summary>
    Seed,

    /// <summary>The data.</summary>
    Data,

    /// <summary>An option of the run or of the task.</summary>
    Recipe,

    /// <summary>The length or size of a window, row or batch.</summary>
    Window,
}
