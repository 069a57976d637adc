using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

[NoTensorLeak]
public sealed class FineTuningResumeTests
{
    [Theory]
    [InlineData("row_length", "row_length: expected 20, found 16")]
    [InlineData("row_count", "row_count: expected 3, found 2")]
    [InlineData("is_packed", "is_packed: expected false, found true")]
    [InlineData("chunk_rows", "chunk_rows: expected 7, found 0")]
    [InlineData("seed", "seed: expected 5, found 0")]
    [InlineData("trained_tokens", "trained_tokens.count: expected 1, found 0")]
    [InlineData("trains_adapters_only", "trains_adapters_only: expected false, found true")]
    [InlineData("template_id", "template: expected other, found chatml")]
    [InlineData("tokenizer_id", "tokenizer: expected other, found bpe")]
    public void A_run_of_other_rows_order_or_template_is_refused_with_both_values(string option, string difference)
    {
        var error = Refused(Examples(8), options =>
        {
            _ = option switch
            {
                "row_length" => options.RowLength = 20,
                "row_count" => options.RowCount = 3,
                "chunk_rows" => options.ChunkRows = 7,
                "seed" => options.Seed = 5,
                _ => 0,
            };
            if (option == "is_packed")
                options.IsPacked = false;
            if (option == "trains_adapters_only")
                options.TrainsAdaptersOnly = false;
            if (option == "trained_tokens")
                options.TrainedTokens = [3];
            if (option == "template_id")
                options.TemplateId = "other";
            if (option == "tokenizer_id")
                options.TokenizerId = "other";
        });
        Assert.Equal(difference, error.WrongValue[0].ToString());
    }

    [Fact]
    public void Every_option_of_fine_tuning_is_compared() => Assert.Equal(
        ["ChunkRows", "IsPacked", "RowCount", "RowLength", "Seed", "TemplateId", "TokenizerId", "TrainedTokens", "TrainsAdaptersOnly"],
        typeof(FineTuningOptions).GetProperties().Select(property => property.Name).Order());

    [Fact]
    public void Fewer_other_or_reordered_examples_are_refused()
    {
        Assert.Equal(["data_count", "data_key"], Refused(Examples(5)).WrongValue.Select(pair => pair.Name));
        Assert.Equal(["data_key"], Refused(Examples(8, shift: 1)).WrongValue.Select(pair => pair.Name));
        Assert.Equal(["data_key"], Refused([.. Examples(8).AsEnumerable().Reverse()]).WrongValue.Select(pair => pair.Name));
        var retargeted = Examples(8);
        retargeted[2] = new SupervisedExample(retargeted[2].Tokens, [.. retargeted[2].Targets.Select((_, place) => place == 1)]);
        Assert.Equal(["data_key"], Refused(retargeted).WrongValue.Select(pair => pair.Name));
    }

    [Fact]
    public void An_adapter_that_is_not_a_number_is_refused_by_file_and_tensor()
    {
        using var folder = new TemporaryFolder();
        Save(folder.Path);
        using var model = Model();
        var name = model.named_parameters().First(pair => pair.name.Contains("lora_A", StringComparison.Ordinal)).name;
        CheckpointSurgery.ChangePart(Path.Combine(folder.Path, "step-00000004"), "model", tensors => tensors[name].fill_(double.NaN));
        using var trainer = Trainer(model, Examples(8), folder.Path);
        var error = Assert.Throws<CheckpointException>(() => trainer.Resume());
        Assert.Equal(name, error.TensorName);
        Assert.EndsWith("model.safetensors", error.FilePath, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(0, -1)]
    [InlineData(0, 99)]
    [InlineData(0, long.MaxValue)]
    public void A_place_outside_the_data_is_refused(long epoch, long row)
    {
        using var folder = new TemporaryFolder();
        Save(folder.Path);
        CheckpointSurgery.ChangePart(Path.Combine(folder.Path, "step-00000004"), "progress", tensors => tensors["place"] = tensor(new[] { epoch, row }));
        using var model = Model();
        using var trainer = Trainer(model, Examples(8), folder.Path);
        Assert.Contains($"found {epoch}, {row}", Assert.Throws<CheckpointMismatchException>(() => trainer.Resume()).Message, StringComparison.Ordinal);
        Assert.Equal(0, trainer.Step);
    }

    [Fact]
    public void An_example_needs_a_target_for_each_token() =>
        Assert.Contains("3 tokens and 1 targets", Assert.Throws<ArgumentException>(() => new SupervisedExample([1, 2, 3], [true])).Message, StringComparison.Ordinal);

    [Fact]
    public void Rows_beyond_all_sense_are_refused_by_option_and_value()
    {
        using var model = Model();
        Assert.Contains("RowCount = 1048576", Assert.Throws<ConfigurationException>(() => new FineTuner(model, Examples(8), new FineTuningOptions { RowLength = 2048, RowCount = 1 << 20 })).Message, StringComparison.Ordinal);
        Assert.Contains("RowCount = 0", Assert.Throws<ConfigurationException>(() => new FineTuner(model, Examples(8), new FineTuningOptions { RowCount = 0 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Evaluating_without_held_out_examples_is_refused()
    {
        using var model = Model();
        Assert.Contains("EvaluationInterval = 2", Assert.Throws<ConfigurationException>(() => new Trainer(new FineTuner(model, Examples(8)), new TrainingOptions { EvaluationInterval = 2 })).Message, StringComparison.Ordinal);
    }

    private static CheckpointMismatchException Refused(SupervisedExample[] examples, Action<FineTuningOptions>? configure = null)
    {
        using var folder = new TemporaryFolder();
        Save(folder.Path);
        using var model = Model();
        using var trainer = Trainer(model, examples, folder.Path, configure);
        var error = Assert.Throws<CheckpointMismatchException>(() => trainer.Resume());
        Assert.Equal(0, trainer.Step);
        return error;
    }

    private static void Save(string folder)
    {
        using var model = Model();
        using var trainer = Trainer(model, Examples(8), folder);
        trainer.Run();
        trainer.Save();
    }

    private static Trainer Trainer(LanguageModel model, SupervisedExample[] examples, string folder, Action<FineTuningOptions>? configure = null)
    {
        var options = new FineTuningOptions { RowLength = 16, RowCount = 2, TemplateId = "chatml", TokenizerId = "bpe" };
        configure?.Invoke(options);
        return new Trainer(new FineTuner(model, examples, options), new TrainingOptions { Steps = 4, LearningRate = 0.01, CheckpointFolder = folder });
    }

    private static SupervisedExample[] Examples(int count, int shift = 0) =>
        [.. Enumerable.Range(0, count).Select(index => new SupervisedExample([1, 2, (3 + index + shift) % 11, (index * 3) % 11], [true, true, true, false]))];

    private static LanguageModel Model() => ToyModel.Builder().AddAttention().UseLora(lora => (lora.Rank, lora.DropoutRate) = (2, 0)).Build();
}
