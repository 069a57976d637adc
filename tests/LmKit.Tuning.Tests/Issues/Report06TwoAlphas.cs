using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>The folder of adapters with two alphas was written from the first adapter alone.</summary>
[NoTensorLeak]
public class Report06TwoAlphas
{
    [Fact]
    public void Each_module_keeps_its_rank_and_alpha()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Make();
        using var twin = Make();
        Awake.Up(model);
        AdapterFile.Save(model, folder["a"]);

        var lora = AdapterFile.ReadConfig(folder["a"]).Lora;
        Assert.Equal(("v_proj", 32.0), (Assert.Single(lora.AlphaPattern).Key, lora.AlphaPattern["v_proj"]));
        Assert.Equal((4, 8.0, 3), (lora.Rank, lora.Alpha, lora.RankPattern["v_proj"]));
        AdapterFile.Load(twin, folder["a"]);
        Close.Check("logits", AdapterLaws.Logits(model), AdapterLaws.Logits(twin));
    }

    private static LanguageModel Make() => ToyModel.Builder().AddAttention()
        .UseLora(l => (l.Rank, l.Alpha) = (4, 8), sites: ["q_proj"]).UseLora(l => (l.Rank, l.Alpha) = (3, 32), sites: ["v_proj"]).Build();
}
