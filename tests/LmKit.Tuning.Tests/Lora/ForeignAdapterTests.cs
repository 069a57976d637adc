using LmKit.Conformance;

namespace LmKit.Tuning.Tests;

[NoTensorLeak]
public sealed class ForeignAdapterTests
{
    [Fact]
    public void An_adapter_of_another_method_is_not_replaced()
    {
        using var folder = new TemporaryFolder();
        using var model = Model(isDora: false);
        var theirs = folder["adapter_config.json"];
        File.WriteAllText(theirs, """{"peft_type": "IA3"}""");
        Assert.Contains("adapter_config.json", Assert.Throws<IOException>(() => AdapterFile.Save(model, folder[""])).Message, StringComparison.Ordinal);
        Assert.Contains("IA3", File.ReadAllText(theirs), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_folder_that_says_otherwise_of_dora_is_refused(bool isDora)
    {
        using var folder = new TemporaryFolder();
        using var model = Model(isDora);
        AdapterFile.Save(model, folder[""]);
        var config = folder["adapter_config.json"];
        File.WriteAllText(config, File.ReadAllText(config).Replace($"\"use_dora\": {(isDora ? "true" : "false")}", $"\"use_dora\": {(isDora ? "false" : "true")}", StringComparison.Ordinal));
        Assert.Contains("use_dora", Assert.Throws<AdapterException>(() => AdapterFile.Load(model, folder[""])).Message, StringComparison.Ordinal);
    }

    private static LanguageModel Model(bool isDora) => new LanguageModelBuilder { VocabSize = 16, ModelDim = 8, LayerCount = 1 }
        .AddAttention(attention => attention.HeadCount = 2)
        .UseLora(lora => (lora.Rank, lora.IsWeightDecomposed) = (2, isDora), sites: ["q_proj"])
        .Build();
}
