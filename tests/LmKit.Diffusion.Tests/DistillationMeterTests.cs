using System.Diagnostics.Metrics;
using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[NoTensorLeak]
public sealed class DistillationMeterTests
{
    [Theory]
    [InlineData("didi", "discriminator")]
    [InlineData("auxiliary", "auxiliary")]
    [InlineData("sdtt", null)]
    public void A_listener_sees_the_loss_of_each_step_of_each_learner(string method, string? helper)
    {
        using var scope = NewDisposeScope();
        using var run = new DistillerRun(method, null);
        var (thread, heard, told) = (Environment.CurrentManagedThreadId, new List<(string? Learner, double Loss)>(), new List<(string?, double)>());
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listening) =>
            {
                if (instrument.Name == "lmkit.core.training.loss")
                    listening.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>((_, value, tags, _) =>
        {
            if (Environment.CurrentManagedThreadId == thread) // other tests train beside this one
                heard.Add((tags.Length == 0 ? null : (string)tags[0].Value!, value));
        });
        listener.Start();
        while (run.Trainer.Advance() is { } step)
        {
            if (helper is not null)
                told.Add((helper, step.Figures[$"loss.{helper}"]));
            if (!double.IsNaN(step.Loss))
                told.Add((helper is null ? null : "student", step.Loss));
        }

        Assert.NotEmpty(told);
        Assert.Equal(told, heard);
    }
}
