using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>A folder whose factors started orthogonal was refused, though that start leaves the base alone.</summary>
[NoTensorLeak]
public class Report14OrthogonalStart
{
    [Fact]
    public void An_orthogonal_start_is_read_and_can_be_built()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["adapter_config.json"], """{"peft_type":"LORA","r":4,"target_modules":["q_proj"],"init_lora_weights":"orthogonal"}""");
        var config = AdapterFile.ReadConfig(folder.Path);
        Assert.Equal(LoraInitialization.Orthogonal, config.Lora.Initialization);

        var site = Sites.Make(6, 5);
        using var lora = new LoraLinear(config.Lora, new DenseLinear(site), site);
        var (A, B) = (lora.get_parameter("lora_A")!, lora.get_parameter("lora_B")!);
        Assert.True(A.abs().max().item<double>() > 0.01 && B.abs().max().item<double>() > 0.01);
        Close.Check("B A", zeros(5, 6, ScalarType.Float64), mm(B, A), absolute: 1e-15);
        using var spare = new DenseLinear(site);
        config.Lora.Rank = 3;
        Assert.Contains("LoraOptions.Rank = 3", Assert.Throws<ArgumentException>(() => new LoraLinear(config.Lora, spare, site)).Message, StringComparison.Ordinal);
    }
}
