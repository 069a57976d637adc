using System.Buffers.Binary;

namespace LmKit.QuickStart.Tests;

public sealed class LossPlotTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_file_is_a_png_of_the_stated_size()
    {
        var path = Path.Combine(folder.Path, "made", "loss.png");
        var random = new Random(1);
        var training = Enumerable.Range(1, 600)
            .Select(step => new TrainingProgress(step, 600, 1.9 + (5.5 * Math.Exp(-step / 60.0)) + (0.2 * random.NextDouble()), 10_000, 25_000, TimeSpan.FromSeconds(step)))
            .ToArray();

        LossPlot.Save(path, training, [(200, 1.6), (400, 1.35), (600, 1.3)], [new("byte model, order 5", 1.65, default), new("Brotli 11, primed", 0.95, default)]);

        var bytes = File.ReadAllBytes(path);
        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A], bytes[..8]);
        Assert.Equal((960, 540), (BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(16)), BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(20))));
    }

    [Fact]
    public void A_single_step_is_enough()
    {
        var path = Path.Combine(folder.Path, "one.png");

        LossPlot.Save(path, [new(1, 1, 5, 1, 2, default)], [], []);

        Assert.True(new FileInfo(path).Length > 1000);
    }

    [Fact]
    public void An_empty_run_is_refused() =>
        Assert.Contains("no training step", Assert.Throws<InvalidDataException>(() => LossPlot.Save("x.png", [], [], [])).Message, StringComparison.Ordinal);
}
