using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>AdapterFile.Load into a merged model: the outputs stayed those of the old adapter.</summary>
[NoTensorLeak]
public class Report02AdapterLoadedWhileMerged
{
    [Fact]
    public void An_adapter_loaded_into_a_merged_model_is_the_one_that_acts()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Make(1);
        using var other = Make(2);
        AdapterFile.Save(other, folder["a"]);
        LoraAdapters.Merge(model);
        var before = AdapterLaws.Logits(model);

        AdapterFile.Load(model, folder["a"]);

        Assert.True((AdapterLaws.Logits(model) - before).abs().max().item<double>() > 0.01);
        Assert.True(LoraAdapters.Of(model)[0].Adapter.IsMerged);
        Close.Check("logits", AdapterLaws.Logits(other), AdapterLaws.Logits(model), absolute: 1e-12);
    }

    private static LanguageModel Make(ulong? seed = null)
    {
        var model = ToyModel.Builder().AddAttention().UseLora(l => (l.Rank, l.Alpha, l.DropoutRate) = (2, 4, 0), sites: ["q_proj", "v_proj"]).Build();
        if (seed is { } value)
            Awake.Up(model, value);
        return model;
    }
}
