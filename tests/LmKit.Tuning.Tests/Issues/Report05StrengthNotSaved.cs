using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>A model with Strength other than 1 was saved and loaded: the strength was lost without a word.</summary>
[NoTensorLeak]
public class Report05StrengthNotSaved
{
    [Fact]
    public void Strength_and_switch_survive_the_model_folder()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Make(1);
        var adapters = LoraAdapters.Of(model);
        (adapters[0].Adapter.Strength, adapters[1].Adapter.Strength, adapters[2].Adapter.IsEnabled) = (0.25, -1, false);
        var expected = AdapterLaws.Logits(model);
        model.Save(folder["m"]);

        using var loaded = LanguageModel.Load(folder["m"], kinds => kinds.AddTuning());

        Close.Check("logits", expected, AdapterLaws.Logits(loaded));
        Assert.Equal([0.25, -1, 1, 1], LoraAdapters.Of(loaded).Select(entry => entry.Adapter.Strength));
        Assert.Equal([true, true, false, true], LoraAdapters.Of(loaded).Select(entry => entry.Adapter.IsEnabled));
    }

    [Fact]
    public void Strength_survives_the_adapter_folder_within_alpha()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Make(1);
        LoraAdapters.Of(model)[1].Adapter.Strength = 0.25;
        AdapterFile.Save(model, folder["a"]);

        var config = AdapterFile.ReadConfig(folder["a"]);
        Assert.Equal((4.0, 1.0), (config.Lora.Alpha, Assert.Single(config.Lora.AlphaPattern).Value));
        using var built = ToyModel.Builder().AddAttention().UseLora(l => (l.Rank, l.Alpha, l.AlphaPattern) = (2, 4, config.Lora.AlphaPattern), sites: ["q_proj", "v_proj"]).Build();
        AdapterFile.Load(built, folder["a"]);
        Close.Check("logits", AdapterLaws.Logits(model), AdapterLaws.Logits(built), absolute: 1e-12);
        using var twin = Make(2);
        AdapterFile.Load(twin, folder["a"]);
        Close.Check("twin", AdapterLaws.Logits(model), AdapterLaws.Logits(twin), absolute: 1e-12);
        Assert.Equal(0.25, LoraAdapters.Of(twin)[1].Adapter.Strength);
    }

    [Fact]
    public void An_adapter_that_is_loaded_acts_with_its_own_scale()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Make(1);
        using var other = Make(2);
        AdapterFile.Save(other, folder["a"]);
        foreach (var (_, adapter) in LoraAdapters.Of(model))
            adapter.Strength = 0.25;

        AdapterFile.Load(model, folder["a"]);

        Close.Check("logits", AdapterLaws.Logits(other), AdapterLaws.Logits(model), absolute: 1e-12);
        Assert.All(LoraAdapters.Of(model), entry => Assert.Equal(1, entry.Adapter.Strength));
        Assert.Equal(other.Config, model.Config);
    }

    private static LanguageModel Make(ulong? seed = null)
    {
        var model = ToyModel.Builder().AddAttention().UseLora(l => (l.Rank, l.Alpha, l.DropoutRate) = (2, 4, 0), sites: ["q_proj", "v_proj"]).Build();
        if (seed is { } value)
            Awake.Up(model, value);
        return model;
    }
}
