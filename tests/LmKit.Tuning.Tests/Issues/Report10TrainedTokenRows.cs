using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>Rows of new tokens trained beside adapters were not in the adapter folder and nothing said so.</summary>
[NoTensorLeak]
public class Report10TrainedTokenRows
{
    [Fact]
    public void The_folder_holds_them_and_the_same_base_computes_the_same()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Make();
        using var same = Make();
        var examples = Enumerable.Range(0, 4).Select(index => new SupervisedExample([9, 1, 2, 3 + index, 10], [false, true, true, true, true])).ToList();
        using (var trainer = new Trainer(new FineTuner(model, examples, new FineTuningOptions { RowLength = 16, RowCount = 2, TrainedTokens = [9, 10] }), new TrainingOptions { Steps = 20, LearningRate = 0.01 }))
            trainer.Run();
        AdapterFile.Save(model, folder["a"]);

        AdapterFile.Load(same, folder["a"]);

        using var frozen = no_grad();
        var x = tensor(new long[] { 9, 1, 2 }, [1, 3]);
        Close.Check("logits", model.call(x, null), same.call(x, null), absolute: 1e-12);
    }

    private static LanguageModel Make() => ToyModel.Builder().AddAttention().UseLora(l => (l.Rank, l.DropoutRate) = (2, 0), sites: ["q_proj"]).Build();
}
