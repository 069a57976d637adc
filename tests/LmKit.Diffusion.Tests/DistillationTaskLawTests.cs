using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>DiDi-Instruct keeps the laws of a task, with readings of a guard that lets it go on.</summary>
public sealed class DiDiInstructTaskLawTests : DistillationTaskLaws
{
    private protected override DistillerRun Start(Action<DistillationOptions> configure, Func<long, Generator, Tensor> rows) => new("didi", null, isGuarded: true, configure: configure, rows: rows);

    private protected override string SetRows(DistillationOptions options)
    {
        ((DiDiInstructOptions)options).GroupCount = 3;
        return "distillation.group_count";
    }
}

/// <summary>So does a run that its guard ends halfway.</summary>
public sealed class GuardedTaskLawTests : DistillationTaskLaws
{
    private protected override DistillerRun Start(Action<DistillationOptions> configure, Func<long, Generator, Tensor> rows) => new("didi from data", null, isGuarded: true, patience: 1, configure: configure, rows: rows);

    private protected override string SetRows(DistillationOptions options)
    {
        ((DiDiInstructOptions)options).GroupSize = 2;
        return "distillation.group_size";
    }

    [Fact]
    public void The_guard_ends_it()
    {
        using var run = Start(_ => { }, DistillerRun.Rows);
        run.Trainer.Run();
        Assert.Equal((4, TrainingEnd.Task), (run.Trainer.Step, run.Trainer.End));
        Assert.Contains("has not fallen since step 2", run.Trainer.EndReason, StringComparison.Ordinal);
    }
}

/// <summary>So does the method with an auxiliary denoiser, whose student is of bfloat16 here.</summary>
public sealed class AuxiliaryDenoiserTaskLawTests : DistillationTaskLaws
{
    private protected override DistillerRun Start(Action<DistillationOptions> configure, Func<long, Generator, Tensor> rows) => new("auxiliary from masks", null, configure: configure, rows: rows, dtype: ScalarType.BFloat16);

    private protected override string SetRows(DistillationOptions options)
    {
        ((AuxiliaryDenoiserOptions)options).BatchSize = 5;
        return "distillation.batch_size";
    }
}

/// <summary>So does self-distillation through time, over two rounds.</summary>
public sealed class SdttTaskLawTests : DistillationTaskLaws
{
    private protected override DistillerRun Start(Action<DistillationOptions> configure, Func<long, Generator, Tensor> rows) => new("sdtt", null, configure: configure, rows: rows);

    private protected override string SetRows(DistillationOptions options)
    {
        ((SdttOptions)options).BatchSize = 5;
        return "distillation.batch_size";
    }
}

public abstract class DistillationTaskLaws : TrainingTaskConformance
{
    private protected abstract DistillerRun Start(Action<DistillationOptions> configure, Func<long, Generator, Tensor> rows);

    /// <summary>Sets how many rows a step has; the name of the option.</summary>
    private protected abstract string SetRows(DistillationOptions options);

    protected override TrainingSubject Create(TaskChange change)
    {
        var high = change == TaskChange.Data ? DistillerRun.Mask - 1 : DistillerRun.Mask;
        var run = Start(
            options =>
            {
                if (change == TaskChange.Seed)
                    options.Seed = 5;
                if (change == TaskChange.Recipe)
                    options.StudentLearningRate *= 2;
                if (change == TaskChange.Window)
                    SetRows(options);
            },
            (count, random) => randint(0, high, [count, 6], dtype: ScalarType.Int64, generator: random));
        return new TrainingSubject(run.Task, new TrainingOptions(), run);
    }

    protected override string? Difference(TaskChange change) => change switch
    {
        TaskChange.Seed => "distillation.seed",
        TaskChange.Recipe => "student.learning_rate",
        TaskChange.Window => Named(),
        _ => "data_key",
    };

    // The name is the options' of the method at hand.
    private string Named()
    {
        var name = string.Empty;
        using var run = Start(options => name = SetRows(options), DistillerRun.Rows);
        return name;
    }
}
