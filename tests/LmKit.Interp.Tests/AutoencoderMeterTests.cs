using System.Diagnostics.Metrics;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public sealed class AutoencoderMeterTests
{
    [Fact]
    public void A_listener_sees_the_loss_of_each_step()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        using var autoencoder = new TopKAutoencoder(new TopKOptions { ModelDim = 4, FeatureCount = 8, ActiveCount = 2 }, new ParameterFactory(random));
        using var trainer = new SparseAutoencoderTrainer(autoencoder, new SparseAutoencoderTrainingOptions { Steps = 3, LearningRate = 1e-2 });
        var (thread, heard) = (Environment.CurrentManagedThreadId, new List<double>());
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listening) =>
            {
                if (instrument.Name == "lmkit.interp.training.loss")
                    listening.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>((_, value, _, _) =>
        {
            if (Environment.CurrentManagedThreadId == thread) // other tests train beside this one
                heard.Add(value);
        });
        listener.Start();
        var told = Enumerable.Range(0, 3).Select(_ => trainer.Advance(randn(16, 4, generator: random)).Loss).ToArray();

        Assert.Equal(told, heard);
    }
}
