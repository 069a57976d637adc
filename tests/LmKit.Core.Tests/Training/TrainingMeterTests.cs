using System.Diagnostics.Metrics;

namespace LmKit.Core.Tests;

public sealed class TrainingMeterTests
{
    [Fact]
    public void A_listener_sees_the_tokens_and_the_loss_of_each_step()
    {
        var folder = Directory.CreateTempSubdirectory("lmkit-meter-").FullName;
        var (tokens, losses) = (0L, 0);
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listening) =>
            {
                if (instrument.Meter.Name == "LmKit.Core")
                    listening.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => tokens += value);
        listener.SetMeasurementEventCallback<double>((instrument, _, _, _) => losses += instrument.Name.EndsWith("loss", StringComparison.Ordinal) ? 1 : 0);
        listener.Start();
        using (var data = TokenDataset.Create([new TextDocument("a", new string('a', 200))], ModelTokenizer.Bytes, Path.Combine(folder, "a.tokens")))
        using (var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = 8, LayerCount = 1 }.AddAttention().Build())
        using (var trainer = new Trainer(new LanguageModelTask(model, data, 16, 2, 1), new TrainingOptions { Steps = 3 }))
            trainer.Run();
        Directory.Delete(folder, recursive: true);
        Assert.Equal(3 * 2 * 15, tokens);
        Assert.Equal(3, losses);
    }
}
