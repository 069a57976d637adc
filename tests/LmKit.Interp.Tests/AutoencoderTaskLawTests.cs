using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>An autoencoder's training on a store: a bfloat16 dictionary, with resampling and a weight average.</summary>
public sealed class StoreAutoencoderTaskLawTests : TrainingTaskConformance
{
    private readonly TemporaryFolder folder = new();

    public StoreAutoencoderTaskLawTests()
    {
        Write("one", 1);
        Write("two", 2);
    }

    protected override TrainingSubject Create(TaskChange change)
    {
        using var random = new Generator(3);
        var options = new TopKOptions { ModelDim = 4, FeatureCount = 12, ActiveCount = change == TaskChange.Recipe ? 3 : 2, Constraint = DecoderConstraint.UnitRowsBeforeStep };
        var autoencoder = new TopKAutoencoder(options, new ParameterFactory(random, ScalarType.BFloat16));
        var store = new ActivationStore(folder[change == TaskChange.Data ? "two" : "one"], seed: 1);
        var task = AutoencoderTask.OnStore(autoencoder, store, change == TaskChange.Window ? 6 : 5, new() { Steps = 7, LearningRate = 0.01, DecayShare = 0.5, DeadHorizon = 2, ResampleInterval = 2, Seed = change == TaskChange.Seed ? 1 : 0 });
        return new TrainingSubject(task, new TrainingOptions { AverageDecay = 0.9 }, task, store, autoencoder);
    }

    protected override string? Difference(TaskChange change) => change switch
    {
        TaskChange.Seed => "training.seed",
        TaskChange.Data => "store_key",
        TaskChange.Recipe => "dictionary.active_count",
        _ => "batch_size",
    };

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        folder.Dispose();
    }

    private void Write(string name, ulong seed)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(seed);
        using var writer = new ActivationStoreWriter(folder[name], new ActivationStoreInfo("toy", "layers.0", 4, 8));
        writer.Append(randn([20, 4], generator: random));
        writer.Complete();
    }
}

/// <summary>An autoencoder's training on batches in memory: codes over the whole batch, a threshold that follows them.</summary>
public sealed class BatchAutoencoderTaskLawTests : TrainingTaskConformance
{
    protected override TrainingSubject Create(TaskChange change)
    {
        using var random = new Generator(3);
        var autoencoder = new BatchTopKAutoencoder(new BatchTopKOptions { ModelDim = 4, FeatureCount = 12, ActiveCount = 2, AuxiliaryCoefficient = 0.1, AuxiliaryCount = 2 }, new ParameterFactory(random));
        var options = new AutoencoderTaskOptions { Steps = 6, LearningRate = change == TaskChange.Recipe ? 0.02 : 0.01, WarmupSteps = 2, DeadHorizon = 2, ResampleInterval = 3, Seed = change == TaskChange.Seed ? 1 : 0, DataId = change == TaskChange.Data ? "two" : "one" };
        var task = AutoencoderTask.OnBatches(autoencoder, AutoencoderRun.Batches(), options);
        return new TrainingSubject(task, new TrainingOptions(), task, autoencoder);
    }

    protected override string? Difference(TaskChange change) => change switch
    {
        TaskChange.Seed => "training.seed",
        TaskChange.Data => "training.data_id",
        TaskChange.Recipe => "dictionary.learning_rate",
        _ => null,
    };
}

/// <summary>An autoencoder's training on awaited batches with a metric's gradients, whose penalty grows.</summary>
public sealed class AttributionAutoencoderTaskLawTests : TrainingTaskConformance
{
    protected override TrainingSubject Create(TaskChange change)
    {
        using var random = new Generator(3);
        var autoencoder = new VanillaAutoencoder(new VanillaOptions { ModelDim = 4, FeatureCount = 12, SparsityCoefficient = 0.1, AttributionCoefficient = 0.2, UnexplainedCoefficient = 0.1 }, new ParameterFactory(random));
        var options = new AutoencoderTaskOptions { Steps = 6, LearningRate = 0.01, SparsityWarmupSteps = change == TaskChange.Recipe ? 5 : 4, DeadHorizon = 2, ResampleInterval = 2 };
        var task = AutoencoderTask.OnBatches(autoencoder, Batches, options);
        return new TrainingSubject(task, new TrainingOptions(), task, autoencoder);
    }

    protected override string? Difference(TaskChange change) => change == TaskChange.Recipe ? "training.sparsity_warmup_steps" : null;

    private static async IAsyncEnumerable<(Tensor, Tensor?)> Batches(long start)
    {
        for (var step = (int)start; ; step++)
        {
            await System.Threading.Tasks.Task.CompletedTask;
            yield return (AutoencoderRun.Batch(step), AutoencoderRun.Batch(step + 1_000));
        }
    }
}
