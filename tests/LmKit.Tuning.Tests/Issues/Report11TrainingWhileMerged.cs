using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>Training while the adapters were merged ended in libtorch's words.</summary>
[NoTensorLeak]
public class Report11TrainingWhileMerged
{
    [Fact]
    public void Every_trainer_says_to_unmerge_first()
    {
        using var scope = NewDisposeScope();
        using var model = Make();
        SupervisedExample[] examples = [new([1, 2, 3], [true, true, true])];
        var options = new FineTuningOptions { RowLength = 16, RowCount = 1 };
        var early = new FineTuner(model, examples, options);
        LoraAdapters.Merge(model);

        foreach (var act in new Action[] { () => _ = new FineTuner(model, examples, options), () => _ = new Trainer(early, new TrainingOptions { Steps = 2 }) })
        {
            var error = Assert.Throws<InvalidOperationException>(act);
            Assert.Contains("layers.0.mixer.q_proj", error.Message, StringComparison.Ordinal);
            Assert.Contains("LoraAdapters.Unmerge", error.Message, StringComparison.Ordinal);
        }
        LoraAdapters.Unmerge(model);
        using var trainer = new Trainer(early, new TrainingOptions { Steps = 1 });
        trainer.Run();
    }

    [Fact]
    public void A_run_that_was_merged_after_it_began_trains_the_adapters_all_the_same()
    {
        using var scope = NewDisposeScope();
        using var model = Make();
        using var twin = Make();
        foreach (var each in new[] { model, twin })
        {
            using var trainer = new Trainer(new FineTuner(each, [new SupervisedExample([1, 2, 3], [true, true, true])], new FineTuningOptions { RowLength = 16, RowCount = 1 }), new TrainingOptions { Steps = 3, LearningRate = 0.01 });
            if (each == model)
                LoraAdapters.Merge(each);
            _ = AdapterLaws.Logits(each);
            trainer.Run();
        }
        Close.Check("logits", AdapterLaws.Logits(twin), AdapterLaws.Logits(model), absolute: 1e-12);
    }

    [Fact]
    public void Adapters_that_are_switched_off_are_not_trained_for_nothing()
    {
        using var model = Make();
        LoraAdapters.Enable(model, false);
        Assert.Contains("switched off", Assert.Throws<InvalidOperationException>(() => new FineTuner(model, [new SupervisedExample([1, 2, 3], [true, true, true])], new FineTuningOptions { RowLength = 16, RowCount = 1 })).Message, StringComparison.Ordinal);
    }

    private static LanguageModel Make() => ToyModel.Builder().AddAttention().UseLora(l => (l.Rank, l.DropoutRate) = (2, 0), sites: ["q_proj"]).Build();
}
