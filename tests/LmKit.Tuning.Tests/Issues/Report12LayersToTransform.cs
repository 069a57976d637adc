using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>An adapter_config.json with layers_to_transform was read without a word, and every layer counted as a target.</summary>
[NoTensorLeak]
public class Report12LayersToTransform
{
    [Fact]
    public void Only_the_layers_that_are_named_have_adapters()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["adapter_config.json"], """{"peft_type":"LORA","r":4,"target_modules":["q_proj"],"layers_to_transform":[0],"layers_pattern":"layers"}""");
        var config = AdapterFile.ReadConfig(folder.Path);

        Assert.True(config.Targets("layers.0.mixer.q_proj"));
        Assert.False(config.Targets("layers.1.mixer.q_proj"));
    }
}
