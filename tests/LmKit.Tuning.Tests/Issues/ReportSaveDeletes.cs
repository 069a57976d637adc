using LmKit.Conformance;

namespace LmKit.Tuning.Tests.Issues;

/// <summary>Saving an adapter into its model's folder deleted the model.</summary>
[NoTensorLeak]
public class ReportSaveDeletes
{
    [Fact]
    public void An_adapter_in_its_models_folder_leaves_model_tokenizer_and_notes_and_the_model_leaves_the_adapter()
    {
        using var folder = new TemporaryFolder();
        var path = folder["model"];
        using var model = new LanguageModelBuilder { VocabSize = 8, ModelDim = 4, LayerCount = 1 }.AddAttention().UseLora(lora => lora.Rank = 2, sites: ["q_proj"]).Build();
        model.Save(path, TokenizerFiles.SaveBytes);
        File.WriteAllText(Path.Combine(path, "README.md"), "mine");
        AdapterFile.Save(model, path);
        model.Save(path);
        AdapterFile.Save(model, path);
        Assert.Equal(
            ["README.md", "adapter_config.json", "adapter_model.safetensors", "config.json", "lmkit_tokenizer.json", "model.safetensors"],
            Directory.EnumerateFileSystemEntries(path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal("mine", File.ReadAllText(Path.Combine(path, "README.md")));
        using var loaded = LanguageModel.Load(path, kinds => kinds.AddTuning());
        AdapterFile.Load(loaded, path);
        Assert.All(model.named_parameters(), pair => Assert.True(pair.parameter.Equals(loaded.get_parameter(pair.name)!), pair.name));
    }
}
