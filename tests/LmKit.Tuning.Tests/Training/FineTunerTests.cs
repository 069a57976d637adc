using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

[NoTensorLeak]
public class FineTunerTests
{
    private static readonly SupervisedExample[] Examples =
        [.. Enumerable.Range(0, 13).Select(index => new SupervisedExample([.. Enumerable.Range(0, 3 + (index * 5 % 7)).Select(place => (index + (place * 3)) % 11)], [.. Enumerable.Range(0, 3 + (index * 5 % 7)).Select(place => place > 1)]))];

    [Fact]
    public void A_packed_epoch_has_the_loss_of_the_examples_alone()
    {
        using var model = Model();
        CheckPackedIsAlone(model, 1e-9);
    }

    [Fact]
    public void An_H3_model_with_trained_adapters_sees_no_other_example_of_its_row()
    {
        using var model = ToyModel.Builder().AddH3(h3 => h3.StateDim = 4).AddAttention(layers: [1]).UseLora(lora => lora.Rank = 2).Build();
        using (var trainer = new Trainer(new FineTuner(model, Examples, new FineTuningOptions { RowLength = 16, RowCount = 2 }), new TrainingOptions { Steps = 5, LearningRate = 0.01 }))
            trainer.Run();
        CheckPackedIsAlone(model, 1e-8);
    }

    private static void CheckPackedIsAlone(LanguageModel model, double tolerance)
    {
        using var scope = NewDisposeScope();
        model.eval();
        var packed = new FineTuner(model, Examples, new FineTuningOptions { RowLength = 16, RowCount = 1 });
        var alone = new FineTuner(model, Examples, new FineTuningOptions { RowLength = 16, RowCount = 1, IsPacked = false });

        Assert.True(packed.BatchesPerEpoch < alone.BatchesPerEpoch);
        Assert.True(packed.Fill > 0.8);
        var (first, second) = (Epoch(packed), Epoch(alone));
        Assert.Equal(Examples.Sum(example => example.TargetCount), first.Count);
        Assert.Equal(first.Count, second.Count);
        Assert.Equal(second.Sum, first.Sum, tolerance);
    }

    [Fact]
    public void A_resumed_run_repeats_the_uninterrupted_one_bit_for_bit()
    {
        using var folder = new TemporaryFolder();
        using var whole = Model();
        using var half = Model();
        using var rest = Model();
        Run(whole, 12, null, resumes: false);
        Run(half, 6, folder.Path, resumes: false);
        Run(rest, 12, folder.Path, resumes: true);

        foreach (var (name, parameter) in whole.named_parameters())
            Close.Check(name, parameter, rest.get_parameter(name)!);
    }

    [Fact]
    public void Training_lowers_the_held_out_loss_and_moves_adapters_only()
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        var before = model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.clone());
        var task = new FineTuner(model, Examples, new FineTuningOptions { RowLength = 16, TrainedTokens = [3] }, Examples);
        model.eval();
        var start = task.Evaluate()!;

        using (var trainer = new Trainer(task, new TrainingOptions { Steps = 30, LearningRate = 0.02, WeightDecay = 0 }))
            trainer.Run();

        Assert.True(task.Evaluate()!.Value < start.Value * 0.9, $"{task.Evaluate()} after {start}");
        Assert.Equal((Examples.Length, "examples", Examples.Sum(example => example.Targets.Count(isTarget => isTarget))), (start.UnitCount, start.Unit, start.TokenCount));
        var alone = Examples.Select(example => new FineTuner(model, [example], new FineTuningOptions { RowLength = 16 }, [example]).Evaluate()!).ToArray();
        Assert.Equal(Estimate.OfUnits([.. alone.Select(one => one.Value * one.TokenCount)], [.. alone.Select(one => one.TokenCount)], "").StandardError, task.Evaluate()!.StandardError, 1e-5);
        foreach (var (name, parameter) in model.named_parameters().Where(pair => !pair.name.Contains("lora_", StringComparison.Ordinal)))
        {
            var moved = parameter.ne(before[name]).nonzero();
            if (name == "embeddings.word_embeddings.weight")
                Assert.All(moved.narrow(1, 0, 1).data<long>().ToArray(), row => Assert.Equal(3, row));
            else
                Assert.Equal(0, moved.size(0));
        }
        Assert.True(model.get_parameter("embeddings.word_embeddings.weight")![3].ne(before["embeddings.word_embeddings.weight"][3]).any().ToBoolean());
    }

    [Fact]
    public void Decay_of_everything_leaves_the_rows_of_other_tokens_alone()
    {
        const string Name = "embeddings.word_embeddings.weight";
        using var scope = NewDisposeScope();
        using var model = Model();
        var before = model.get_parameter(Name)!.clone();
        using (var trainer = new Trainer(new FineTuner(model, Examples, new FineTuningOptions { RowLength = 16, TrainedTokens = [3] }), new TrainingOptions { Steps = 3, DecayScope = DecayScope.All }))
            trainer.Run();
        var moved = model.get_parameter(Name)!.ne(before).any(1);
        Assert.Equal([3L], moved.nonzero().data<long>().ToArray());
    }

    [Fact]
    public void Micro_batches_of_any_size_give_the_same_step()
    {
        using var scope = NewDisposeScope();
        var weights = new List<Dictionary<string, Tensor>>();
        foreach (var (rows, accumulation) in new[] { (12, 1), (6, 2), (3, 4), (1, 12) })
        {
            using var model = Model(0);
            var task = new FineTuner(model, [.. Examples.Take(12)], new FineTuningOptions { RowLength = 16, IsPacked = false, RowCount = rows });
            using (var trainer = new Trainer(task, new TrainingOptions { Steps = 1, AccumulationCount = accumulation, WarmupSteps = 0, LearningRate = 0.01 }))
                trainer.Run();
            weights.Add(model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.clone()));
        }
        foreach (var name in weights[0].Keys)
            Assert.All(weights, other => Close.Check(name, weights[0][name], other[name], absolute: 1e-6));
    }

    [Fact]
    public void Examples_that_cannot_be_learned_are_refused_by_number()
    {
        using var model = Model();
        Assert.Contains("no example", Refusal(), StringComparison.Ordinal);
        Assert.Contains("Example 1 holds token 11", Refusal(Examples[0], new SupervisedExample([1, 11], [false, true])), StringComparison.Ordinal);
        Assert.Contains("Example 0 has no token", Refusal(new SupervisedExample([1, 2], [true, false])), StringComparison.Ordinal);
        Assert.Contains("Example 0 has 17 tokens", Refusal(new SupervisedExample([.. Enumerable.Repeat(1, 17)], [.. Enumerable.Repeat(true, 17)])), StringComparison.Ordinal);

        string Refusal(params SupervisedExample[] examples) =>
            Assert.Throws<ArgumentException>(() => new FineTuner(model, examples, new FineTuningOptions { RowLength = 16 })).Message;
    }

    private static void Run(LanguageModel model, long steps, string? folder, bool resumes)
    {
        var task = new FineTuner(model, Examples, new FineTuningOptions { RowLength = 16, RowCount = 2 });
        var options = new TrainingOptions { Steps = steps, LearningRate = 0.01, Shape = LearningRateShape.Constant, CheckpointFolder = folder, CheckpointInterval = folder is null ? 0 : 6 };
        using var trainer = new Trainer(task, options);
        Assert.Equal(resumes, folder is not null && trainer.Resume());
        trainer.Run();
    }

    private static (double Sum, long Count) Epoch(FineTuner task)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var losses = Enumerable.Range(0, (int)task.BatchesPerEpoch).Select(_ => task.NextLoss()).ToArray();
        return (losses.Sum(loss => loss.Sum.item<double>()), losses.Sum(loss => loss.Count));
    }

    private static LanguageModel Model(double dropout = 0.1) =>
        ToyModel.Builder().AddAttention().UseLora(lora => (lora.Rank, lora.DropoutRate) = (2, dropout)).Build();
}
