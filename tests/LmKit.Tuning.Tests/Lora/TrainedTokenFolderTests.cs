using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>Rows of tokens that were trained beside adapters go wherever the adapters go.</summary>
[NoTensorLeak]
public class TrainedTokenFolderTests
{
    private const string Rows = "base_model.model.embeddings.word_embeddings.token_adapter.trainable_tokens_delta";

    [Fact]
    public void A_folder_holds_the_rows_as_PEFT_does()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Trained();
        AdapterFile.Save(model, folder["a"]);

        Assert.Equal([9L, 10], AdapterFile.ReadConfig(folder["a"]).Lora.TrainedTokens);
        using var reader = new SafetensorsReader(Path.Combine(folder["a"], "adapter_model.safetensors"));
        Close.Check("rows", model.get_parameter("embeddings.word_embeddings.weight")!.narrow(0, 9, 2), reader.Read(Rows));
    }

    [Fact]
    public void They_survive_the_model_folder_and_come_out_of_it_again()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var fresh = Model();
        var before = AdapterLaws.Logits(fresh);
        using (var model = Trained())
        {
            Assert.True((AdapterLaws.Logits(model) - before).abs().max().item<double>() > 0.1);
            model.Save(folder["m"]);
            using var loaded = LanguageModel.Load(folder["m"], kinds => kinds.AddTuning());
            AdapterFile.Save(loaded, folder["a"]);
            AdapterFile.Load(fresh, folder["a"]);
            Close.Check("logits", AdapterLaws.Logits(model), AdapterLaws.Logits(fresh), absolute: 1e-12);
        }
        AdapterFile.Save(fresh, folder["b"]);
        Assert.Equal(File.ReadAllBytes(Path.Combine(folder["a"], "adapter_model.safetensors")), File.ReadAllBytes(Path.Combine(folder["b"], "adapter_model.safetensors")));
    }

    [Fact]
    public void Another_adapter_is_not_loaded_over_rows_that_it_does_not_replace()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var other = Model();
        using var model = Trained();
        Awake.Up(other);
        AdapterFile.Save(other, folder["a"]);

        Assert.Contains("tokens 9, 10", Assert.Throws<AdapterException>(() => AdapterFile.Load(model, folder["a"])).Message, StringComparison.Ordinal);
        using var trained = Trained();
        AdapterFile.Save(trained, folder["b"]);
        AdapterFile.Load(model, folder["b"]); // has those rows
    }

    [Fact]
    public void A_base_that_is_loaded_afterwards_leaves_them()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var plain = ToyModel.Builder().AddAttention().Build();
        using var tuned = Trained();
        using var late = Model();
        LoraAdapters.LoadBase(tuned, ModuleTensors.Of(plain));
        AdapterFile.Save(tuned, folder["a"]);
        AdapterFile.Load(late, folder["a"]);
        LoraAdapters.LoadBase(late, ModuleTensors.Of(plain));

        Close.Check("logits", AdapterLaws.Logits(tuned), AdapterLaws.Logits(late), absolute: 1e-12);
        Assert.True((late.get_parameter("embeddings.word_embeddings.weight")! - plain.get_parameter("embeddings.word_embeddings.weight")!).narrow(0, 9, 2).abs().max().item<double>() > 0.05);
    }

    [Theory]
    [InlineData("[9, 10]", null)]
    [InlineData("{\"word_embeddings\": [9, 10]}", null)]
    [InlineData("{\"lm_head\": [9, 10]}", "lm_head")]
    [InlineData("[9, 11]", "11")]
    [InlineData("[9]", "(1, 8)")]
    [InlineData("null", "unexpected")]
    public void Their_configuration_is_obeyed_or_refused(string indices, string? refusal)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Trained();
        using var fresh = Model();
        AdapterFile.Save(model, folder["a"]);
        var path = Path.Combine(folder["a"], "adapter_config.json");
        var text = File.ReadAllText(path);
        var start = text.IndexOf("\"trainable_token_indices\"", StringComparison.Ordinal);
        File.WriteAllText(path, text[..start] + $"\"trainable_token_indices\": {indices}" + text[text.IndexOf(']', start)..][1..]);

        var error = Record.Exception(() => AdapterFile.Load(fresh, folder["a"]));

        if (refusal is null)
            Close.Check("logits", AdapterLaws.Logits(model), AdapterLaws.Logits(fresh), absolute: 1e-12);
        else
            Assert.Contains(refusal, Assert.IsAssignableFrom<Exception>(error).Message, StringComparison.Ordinal);
        Assert.True(refusal is null == error is null && error is null or AdapterException or CheckpointMismatchException, error?.ToString());
    }

    [Fact]
    public void More_than_adapters_and_rows_is_not_lost_without_a_word()
    {
        using var folder = new TemporaryFolder();
        using var model = Model();
        using (var trainer = new Trainer(Task(model, new FineTuningOptions { RowLength = 8, RowCount = 1, TrainsAdaptersOnly = false }), new TrainingOptions { Steps = 2, LearningRate = 0.01 }))
            trainer.Run();

        Assert.Contains("more than the adapters was trained", Assert.Throws<AdapterException>(() => AdapterFile.Save(model, folder["a"])).Message, StringComparison.Ordinal);
        model.zero_grad();
        foreach (var parameter in model.parameters())
            parameter.grad = null;
        AdapterFile.Save(model, folder["a"]);
    }

    private static LanguageModel Model() =>
        ToyModel.Builder().AddAttention().UseLora(l => (l.Rank, l.DropoutRate) = (2, 0), sites: ["q_proj"]).Build();

    private static LanguageModel Trained()
    {
        var model = Model();
        using var trainer = new Trainer(Task(model, new FineTuningOptions { RowLength = 8, RowCount = 1, TrainedTokens = [10, 9] }), new TrainingOptions { Steps = 10, LearningRate = 0.05 });
        trainer.Run();
        return model;
    }

    private static FineTuner Task(LanguageModel model, FineTuningOptions options) =>
        new(model, [new SupervisedExample([9, 1, 2, 10], [false, true, true, true])], options);
}
