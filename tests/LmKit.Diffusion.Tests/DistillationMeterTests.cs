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
        var (thread, heard, told) = (Environment.CurrentManagedThreadId, new List<(string Learner, double Loss)>(), new List<(string, double)>());
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listening) =>
            {
                if (instrument.Name == "lmkit.diffusion.training.loss")
                    listening.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>((_, value, tags, _) =>
        {
            if (Environment.CurrentManagedThreadId == thread) // other tests train beside this one
                heard.Add(((string)tags[0].Value!, value));
        });
        listener.Start();
        while (!run.Trainer.IsDone)
        {
            var step = run.Trainer.Advance();
            if (step.HelperLoss is { } helperLoss)
                told.Add((helper!, helperLoss));
            if (step.StudentLoss is { } studentLoss)
                told.Add(("student", studentLoss));
        }

        Assert.NotEmpty(told);
        Assert.Equal(told, heard);
    }
}
