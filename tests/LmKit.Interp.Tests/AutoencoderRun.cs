using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>An autoencoder's task with its trainer; batch i is drawn from seed i.</summary>
internal sealed class AutoencoderRun : IDisposable
{
    private readonly AutoencoderTask task;

    internal AutoencoderRun(AutoencoderTask task, string? folder = null)
    {
        this.task = task;
        try
        {
            Trainer = new Trainer(task, new TrainingOptions { CheckpointFolder = folder });
        }
        catch
        {
            task.Dispose();
            throw;
        }
    }

    internal AutoencoderRun(SparseAutoencoder autoencoder, AutoencoderTaskOptions options, string? folder = null)
        : this(AutoencoderTask.OnBatches(autoencoder, Batches(), options), folder)
    {
    }

    internal Trainer Trainer { get; }

    internal static IEnumerable<Tensor> Batches() => Enumerable.Range(0, int.MaxValue).Select(Batch);

    internal static Tensor Batch(int step)
    {
        using var random = new Generator((ulong)step);
        return randn([6, 4], generator: random);
    }

    internal void Advance(int count)
    {
        for (var step = 0; step < count; step++)
            Assert.NotNull(Trainer.Advance());
    }

    public void Dispose()
    {
        Trainer.Dispose();
        task.Dispose();
    }
}
