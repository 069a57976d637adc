using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>A model saved while its adapters were merged held the merged weight and the adapters: loaded, the update counted twice.</summary>
[NoTensorLeak]
public class Report01MergedModelSaved
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_model_saved_while_merged_loads_as_the_tuned_model(bool isDensified)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Make(1);
        var tuned = AdapterLaws.Logits(model);
        LoraAdapters.Merge(model, isDensified ? MergeMode.Densify : MergeMode.KeepAdapter);
        _ = AdapterLaws.Logits(model);
        model.Save(folder["m"]);

        using var loaded = LanguageModel.Load(folder["m"], kinds => kinds.AddTuning());

        Close.Check("logits", tuned, AdapterLaws.Logits(loaded));
    }

    private static LanguageModel Make(ulong? seed = null)
    {
        var model = ToyModel.Builder().AddAttention().UseLora(l => (l.Rank, l.Alpha, l.DropoutRate) = (2, 4, 0), sites: ["q_proj", "v_proj"]).Build();
        if (seed is { } value)
            Awake.Up(model, value);
        return model;
    }
}
