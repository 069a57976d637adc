using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class LanguageModelEvaluationTests : TrainingScene
{
    [Fact]
    public void A_task_evaluates_window_by_window()
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        model.eval();
        var whole = LanguageModelTask.Evaluate(model, Data, 64, 3);
        var (sums, counts) = (new List<double>(), new List<long>());
        foreach (var window in EvaluationWindows.Read(Data, 64, 1))
        {
            var loss = NextTokenLoss.Of(model, window);
            sums.Add(loss.Sum.to(ScalarType.Float64).item<double>());
            counts.Add(loss.Count);
            window.Dispose();
        }
        var expected = Estimate.OfUnits(sums, counts, "windows");
        Assert.Equal(Data.Count - 1, whole.TokenCount);
        Assert.Equal(sums.Count, whole.UnitCount);
        Assert.Equal(expected.Value, whole.Value, 1e-6);
        Assert.Equal(expected.StandardError, whole.StandardError, 1e-6);
    }
}
