using System.Globalization;
using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Runs whose callback, disk, data or caller is at fault lose nothing and say what is wrong.</summary>
[NoTensorLeak]
public sealed class UnluckyRunTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private string Curve => folder["curve.csv"];

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_callback_that_throws_loses_neither_the_checkpoint_that_is_due_nor_the_best()
    {
        using var task = new ScriptedTask([5, 3, 4, 4]);
        using var trainer = new Trainer(task, Options(4, options => options.KeepsBest = true));
        var best = 0.0;
        Assert.Throws<FormatException>(() => trainer.Run(step => best = step.Step == 2 ? task.Weight + Fail() : 0));
        Assert.Equal(["step-00000001", "step-00000002"], folder.Names);
        best = task.Weight;
        trainer.Run();
        Assert.True(trainer.LoadBest());
        Assert.Equal(best, task.Weight);
    }

    [Fact]
    public void A_best_step_that_could_not_be_written_is_written_when_the_run_goes_on()
    {
        using var task = new ScriptedTask([5, 3, 4, 4]);
        using var trainer = new Trainer(task, Options(4, options => options.KeepsBest = true));
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(folder["step-00000002"]).FullName, "mine.txt"), "mine");
        Assert.Contains("step-00000002", Assert.Throws<IOException>(() => trainer.Run()).Message, StringComparison.Ordinal);
        var best = task.Weight;
        Directory.Delete(folder["step-00000002"], recursive: true);
        trainer.Run();
        Assert.True(trainer.LoadBest());
        Assert.Equal((2, best), (trainer.Best!.Step, task.Weight));
    }

    [Fact]
    public void A_callback_that_leaves_the_model_in_evaluation_mode_does_not_switch_training_off()
    {
        using var task = new ScriptedTask([]);
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 3 });
        var modes = new List<bool>();
        trainer.Run(_ =>
        {
            modes.Add(task.Model.training);
            task.Model.eval();
        });
        Assert.Equal([true, true, true], modes);
        Assert.False(task.Model.training);
    }

    [Fact]
    public void A_disposed_trainer_opens_no_file_and_takes_no_data()
    {
        using var task = new ScriptedTask([]) { Arrival = new TaskCompletionSource().Task };
        var trainer = new Trainer(task, new TrainingOptions { Steps = 2, LossCurveFile = Curve });
        trainer.Dispose();
        task.Arrival = Task.CompletedTask;
        Assert.Throws<ObjectDisposedException>(() => trainer.Run());
        Assert.False(File.Exists(Curve));
    }

    [Fact]
    public void A_run_that_begins_anew_keeps_the_curve_of_the_one_before()
    {
        foreach (var _ in Enumerable.Range(0, 3))
        {
            using var task = new ScriptedTask([]);
            using var trainer = new Trainer(task, new TrainingOptions { Steps = 2, LossCurveFile = Curve });
            trainer.Run();
        }
        Assert.Equal(["curve.1.csv", "curve.2.csv", "curve.csv"], folder.Names);
        Assert.All(folder.Names, name => Assert.Equal(3, File.ReadAllLines(folder[name]).Length));
    }

    [Fact]
    public void Data_that_asks_for_its_callers_thread_does_not_hang_a_synchronous_run()
    {
        var before = SynchronizationContext.Current;
        var ours = new Counted();
        using var task = new ScriptedTask([]) { Arrival = Task.Delay(20) };
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 2 });
        SynchronizationContext.SetSynchronizationContext(ours);
        try
        {
            trainer.Run();
            Assert.Same(ours, SynchronizationContext.Current);
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }
        Assert.Equal(0, ours.Posts);
    }

    [Fact]
    public async Task A_second_run_at_the_same_time_is_refused()
    {
        var arrival = new TaskCompletionSource();
        using var task = new ScriptedTask([]) { Arrival = arrival.Task };
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 2 });
        var run = trainer.RunAsync();
        await task.Asked.Task;
        task.Arrival = Task.CompletedTask;
        Assert.Contains("is running", Assert.Throws<InvalidOperationException>(() => trainer.Advance()).Message, StringComparison.Ordinal);
        Assert.True(task.Model.training);
        arrival.SetResult();
        await run;
        Assert.Equal(2, trainer.Step);
    }

    [Fact]
    public void A_run_whose_data_ends_keeps_a_checkpoint()
    {
        using var task = new ScriptedTask([], dataSteps: 2);
        using var trainer = new Trainer(task, Options(5, _ => { }));
        trainer.Run();
        Assert.Equal(["step-00000002"], folder.Names);
    }

    [Fact]
    public void The_best_step_is_noted_in_a_stretch_that_did_not_ask_for_it()
    {
        double[] evaluations = [5, 3, 4, 4, 2.5, 6];
        _ = Stretch(evaluations, 3, options => options.KeepsBest = true);
        var weight = Stretch(evaluations, 2, _ => { });
        using var task = new ScriptedTask(evaluations);
        using var trainer = new Trainer(task, Options(6, options => options.KeepsBest = true));
        Assert.True(trainer.Resume());
        Assert.Equal(new TrainingBest(5, 2.5), trainer.Best);
        Assert.True(trainer.LoadBest());
        Assert.Equal(weight, task.Weight);
    }

    [Fact]
    public void A_best_step_that_nobody_kept_makes_room_for_one_that_is()
    {
        double[] evaluations = [5, 1, 4, 4, 2.5, 6, 7];
        _ = Stretch(evaluations, 4, options => options.Patience = 4);
        using var task = new ScriptedTask(evaluations);
        using var trainer = new Trainer(task, Options(7, options => (options.KeepsBest, options.Patience) = (true, 4)));
        Assert.True(trainer.Resume());
        trainer.Run();
        Assert.Equal((6, TrainingEnd.EarlyStop), (trainer.Step, trainer.End)); // the wait since step 2 is not forgotten
        Assert.Equal(new TrainingBest(5, 2.5), trainer.Best);
        Assert.True(trainer.LoadBest());
    }

    [Fact]
    public void An_evaluation_of_minus_infinity_is_no_best()
    {
        using var task = new ScriptedTask([3, double.NegativeInfinity, 2]);
        using var trainer = new Trainer(task, Options(3, options => options.KeepsBest = true));
        trainer.Run();
        Assert.Equal(new TrainingBest(3, 2), trainer.Best);
    }

    [Fact]
    public void An_evaluation_that_leaves_tensors_behind_is_cleaned_after()
    {
        using var task = new LavishTask();
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 2, EvaluationInterval = 1 });
        trainer.Run();
        Assert.Equal([false, false], task.Recorded);
    }

    [Fact]
    public void A_run_is_the_same_one_in_a_country_that_writes_numbers_otherwise()
    {
        var (before, german) = (CultureInfo.CurrentCulture, (CultureInfo)CultureInfo.InvariantCulture.Clone());
        german.NumberFormat.NumberDecimalSeparator = ",";
        using var task = new LavishTask();
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 2, CheckpointFolder = folder.Path });
        trainer.Save();
        CultureInfo.CurrentCulture = german;
        try
        {
            Assert.True(trainer.Resume());
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    private static double Fail() => throw new FormatException("a fault of the caller's");

    private TrainingOptions Options(long steps, Action<TrainingOptions> change)
    {
        var options = new TrainingOptions { Steps = steps, CheckpointFolder = folder.Path };
        change(options);
        if (options.KeepsBest || options.Patience > 0)
            options.EvaluationInterval = 1;
        return options;
    }

    // Goes on for some steps and keeps a checkpoint.
    private double Stretch(double[] evaluations, int steps, Action<TrainingOptions> change)
    {
        using var task = new ScriptedTask(evaluations);
        var options = Options(evaluations.Length, change);
        options.EvaluationInterval = 1;
        using var trainer = new Trainer(task, options);
        _ = trainer.Resume();
        for (var step = 0; step < steps; step++)
            _ = trainer.Advance();
        trainer.Save();
        return task.Weight;
    }

    private sealed class Counted : SynchronizationContext
    {
        private int posts;

        internal int Posts => posts;

        public override void Post(SendOrPostCallback d, object? state)
        {
            Interlocked.Increment(ref posts);
            base.Post(d, state);
        }
    }

    // One weight with a hint of its own, and evaluations that free nothing.
    private sealed class LavishTask : ILossTask, IDisposable
    {
        private readonly Hinted model = new();

        public nn.Module Model => model;

        public bool CanEvaluate => true;

        internal List<bool> Recorded { get; } = [];

        public TrainingLoss NextLoss() => new(model.Weight.sum(), 1);

        public Estimate? Evaluate()
        {
            var loss = model.Weight.sum();
            Recorded.Add(loss.requires_grad);
            return Estimate.OfValues([loss.detach().item<float>(), 1], "rows");
        }

        public IReadOnlyDictionary<string, Tensor> Progress() => new Dictionary<string, Tensor>();

        public void Restore(IReadOnlyDictionary<string, Tensor> progress)
        {
        }

        public void Dispose() => model.Dispose();
    }

    private sealed class Hinted : nn.Module, IParameterHints
    {
        internal TorchSharp.Modules.Parameter Weight { get; } = new(ones(1));

        internal Hinted()
            : base(nameof(Hinted))
        {
            register_parameter("weight", Weight);
        }

        public ParameterHint? Hint(string parameterName) => new(0.5);
    }
}
