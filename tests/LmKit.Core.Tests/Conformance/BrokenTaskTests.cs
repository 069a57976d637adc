using System.Reflection;
using LmKit.Conformance;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>The law that a <see cref="BrokenTask"/> breaks.</summary>
public enum BrokenTaskLaw
{
    None,
    SavesNoRandomness,
    SavesNoMemory,
    EvaluatesWithItsRandomness,
    KnowsNoSeed,
    KnowsNoData,
    RestoresBeforeItChecks,
    RestoresAnything,
    KeepsItsLosses,
    ReportsTheTime,
}

/// <summary>The laws of a task under test: a task that breaks one fails the law that says so.</summary>
public sealed class BrokenTaskTests
{
    [Fact]
    public void A_task_that_keeps_every_law_passes_every_law() => Assert.Empty(Laws().Where(law => Fails(BrokenTaskLaw.None, law)).Select(law => law.Name));

    [Theory]
    [InlineData(BrokenTaskLaw.SavesNoRandomness, nameof(TrainingTaskConformance.A_run_that_is_saved_restored_and_continued_equals_the_uninterrupted_one))]
    [InlineData(BrokenTaskLaw.SavesNoRandomness, nameof(TrainingTaskConformance.A_cancelled_run_loses_nothing))]
    [InlineData(BrokenTaskLaw.SavesNoMemory, nameof(TrainingTaskConformance.A_run_that_is_saved_restored_and_continued_equals_the_uninterrupted_one))]
    [InlineData(BrokenTaskLaw.SavesNoMemory, nameof(TrainingTaskConformance.A_killed_run_loses_nothing_before_its_last_checkpoint))]
    [InlineData(BrokenTaskLaw.SavesNoMemory, nameof(TrainingTaskConformance.A_damaged_newest_checkpoint_is_reported_and_the_one_before_taken))]
    [InlineData(BrokenTaskLaw.EvaluatesWithItsRandomness, nameof(TrainingTaskConformance.Evaluating_changes_nothing_of_a_run))]
    [InlineData(BrokenTaskLaw.KnowsNoSeed, nameof(TrainingTaskConformance.A_checkpoint_of_another_run_is_refused_by_name_and_nothing_is_changed))]
    [InlineData(BrokenTaskLaw.KnowsNoData, nameof(TrainingTaskConformance.A_checkpoint_of_another_run_is_refused_by_name_and_nothing_is_changed))]
    [InlineData(BrokenTaskLaw.RestoresBeforeItChecks, nameof(TrainingTaskConformance.Progress_that_lacks_something_or_has_more_is_refused_and_nothing_is_changed))]
    [InlineData(BrokenTaskLaw.RestoresAnything, nameof(TrainingTaskConformance.Progress_that_lacks_something_or_has_more_is_refused_and_nothing_is_changed))]
    [InlineData(BrokenTaskLaw.KeepsItsLosses, nameof(TrainingTaskConformance.A_run_a_cancelled_run_and_a_refused_resume_leave_no_tensor_behind))]
    [InlineData(BrokenTaskLaw.ReportsTheTime, nameof(TrainingTaskConformance.One_step_at_a_time_it_is_the_same_run))]
    [InlineData(BrokenTaskLaw.ReportsTheTime, nameof(TrainingTaskConformance.A_run_that_saves_after_every_step_equals_one_that_never_does))]
    public void A_task_that_breaks_a_law_fails_it(BrokenTaskLaw broken, string law) => Assert.True(Fails(broken, Laws().Single(one => one.Name == law)));

    private static IEnumerable<MethodInfo> Laws() =>
        typeof(TrainingTaskConformance).GetMethods().Where(method => method.IsDefined(typeof(FactAttribute)) && method.ReturnType == typeof(void));

    private static bool Fails(BrokenTaskLaw broken, MethodInfo law)
    {
        using var suite = new Suite(broken);
        return !Arguments(law).All(arguments => Passes(law, suite, arguments));
    }

    private static IEnumerable<object[]?> Arguments(MethodInfo law) =>
        law.GetParameters().Length == 0 ? [null] : law.GetCustomAttributes<InlineDataAttribute>().SelectMany(data => data.GetData(law));

    private static bool Passes(MethodInfo law, Suite suite, object[]? arguments)
    {
        try
        {
            law.Invoke(suite, arguments);
            return true;
        }
        catch (TargetInvocationException)
        {
            return false;
        }
    }

    private sealed class Suite(BrokenTaskLaw broken) : TrainingTaskConformance
    {
        protected override TrainingSubject Create(TaskChange change)
        {
            var task = new BrokenTask(broken, change == TaskChange.Seed ? 2UL : 1, change == TaskChange.Data ? 3 : 2);
            return new TrainingSubject(task, new TrainingOptions { Steps = 5, AverageDecay = 0.9, Beta1 = change == TaskChange.Recipe ? 0.8 : 0.9 }, task);
        }

        protected override string? Difference(TaskChange change) => change switch
        {
            TaskChange.Seed => "seed",
            TaskChange.Data => "scale",
            TaskChange.Recipe => "beta1",
            _ => null,
        };
    }
}

/// <summary>Two rows of weights that chase random targets, the second by half of the sum of all targets so far; breaks one law.</summary>
internal sealed class BrokenTask : ITrainingTask, IDisposable
{
    private readonly BrokenTaskLaw broken;
    private readonly ulong seed;
    private readonly double scale;
    private readonly Generator random;
    private readonly Learner first = new("first", Row());
    private readonly Learner second = new("second", Row()) { LearningRate = 0.02, AverageDecay = 0 };
    private readonly Tensor memory = Outside(() => zeros(3));
    private readonly List<Tensor> kept = [];

    internal BrokenTask(BrokenTaskLaw broken, ulong seed, double scale)
    {
        (this.broken, this.seed, this.scale) = (broken, seed, scale);
        random = new Generator(seed);
    }

    public IReadOnlyList<Learner> Learners => [first, second];

    public bool CanEvaluate => true;

    public void Learn(TrainingTurn turn)
    {
        var target = rand(3, generator: random) * scale;
        using (no_grad())
            memory.add_(target);
        Descend(turn, first, target);
        turn.Report("second", Descend(turn, second, memory / 2));
        if (broken == BrokenTaskLaw.ReportsTheTime)
            turn.Report("ticks", System.Diagnostics.Stopwatch.GetTimestamp());
    }

    public Estimate? Evaluate()
    {
        if (broken == BrokenTaskLaw.EvaluatesWithItsRandomness)
            rand(1, generator: random).Dispose();
        return Estimate.OfUnits([1, 2], [1, 1], "rows");
    }

    public RunIdentity Identity()
    {
        var identity = new RunIdentity("task", "broken");
        if (broken != BrokenTaskLaw.KnowsNoSeed)
            identity.Add("seed", seed);
        return broken == BrokenTaskLaw.KnowsNoData ? identity : identity.Add("scale", scale);
    }

    public IReadOnlyDictionary<string, Tensor> Progress()
    {
        var progress = new Dictionary<string, Tensor>();
        if (broken != BrokenTaskLaw.SavesNoRandomness)
            progress["random"] = random.get_state();
        if (broken != BrokenTaskLaw.SavesNoMemory)
            progress["memory"] = memory;
        return progress;
    }

    public void Restore(IReadOnlyDictionary<string, Tensor> progress)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        if (broken == BrokenTaskLaw.RestoresBeforeItChecks)
            memory.zero_();
        if (broken != BrokenTaskLaw.RestoresAnything)
            CheckpointLoader.Check("The checkpoint's progress", Progress(), progress);
        if (progress.TryGetValue("memory", out var saved))
            memory.copy_(saved);
        if (progress.TryGetValue("random", out var state))
            random.set_state(state);
    }

    public void Dispose()
    {
        first.Module.Dispose();
        second.Module.Dispose();
        memory.Dispose();
        random.Dispose();
    }

    private double Descend(TrainingTurn turn, Learner learner, Tensor target)
    {
        var loss = (((Linear)learner.Module).weight! - target).square().sum();
        if (broken == BrokenTaskLaw.KeepsItsLosses)
            kept.Add(loss.detach().DetachFromDisposeScope());
        return turn.Descend(learner, loss);
    }

    private static Linear Row()
    {
        using var frozen = no_grad();
        var row = nn.Linear(3, 1, hasBias: false);
        row.weight!.fill_(1);
        return row;
    }

    private static Tensor Outside(Func<Tensor> make)
    {
        using var scope = NewDisposeScope();
        return make().DetachFromDisposeScope();
    }
}
