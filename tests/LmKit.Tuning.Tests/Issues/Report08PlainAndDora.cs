using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>One plain and one DoRA site were saved as use_dora false beside a magnitude vector.</summary>
[NoTensorLeak]
public class Report08PlainAndDora
{
    [Theory]
    [InlineData("use_dora", true, false)]
    [InlineData("lora_bias", false, true)]
    public void What_one_folder_cannot_say_of_all_modules_is_refused_by_name(string key, bool isDora, bool hasBias)
    {
        using var folder = new TemporaryFolder();
        using var model = ToyModel.Builder().AddAttention()
            .UseLora(l => l.Rank = 4, sites: ["q_proj"]).UseLora(l => (l.Rank, l.IsWeightDecomposed, l.HasBias) = (4, isDora, hasBias), sites: ["v_proj"]).Build();

        var error = Assert.Throws<AdapterException>(() => AdapterFile.Save(model, folder["a"]));

        Assert.Contains(key, error.Message, StringComparison.Ordinal);
        Assert.Contains("layers.0.mixer.v_proj", error.Message, StringComparison.Ordinal);
        Assert.Contains("layers.0.mixer.q_proj", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["a"]));
    }
}
