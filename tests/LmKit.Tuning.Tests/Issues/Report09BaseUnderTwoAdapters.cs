using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>LoadBase into a model whose site has two adapters did not find the base.</summary>
[NoTensorLeak]
public class Report09BaseUnderTwoAdapters
{
    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    public void A_base_is_loaded_under_any_number_of_adapters(int count, bool isMerged)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var builder = ToyModel.Builder().AddAttention();
        builder.Options.Seed = 77;
        using var plain = builder.Build();
        var adapted = ToyModel.Builder().AddAttention();
        for (var index = 0; index < count; index++)
            adapted.UseLora(l => l.Rank = 2, sites: ["q_proj"]);
        using (var built = adapted.Build())
            built.Save(folder["m"]);
        using var model = LanguageModel.Load(folder["m"], kinds => kinds.AddTuning());
        if (isMerged)
            LoraAdapters.Merge(model);
        _ = AdapterLaws.Logits(model);

        LoraAdapters.LoadBase(model, ModuleTensors.Of(plain));

        Close.Check("logits", AdapterLaws.Logits(plain), AdapterLaws.Logits(model), absolute: 1e-12);
    }

    [Theory]
    [InlineData(LoraInitialization.KaimingUniform)]
    [InlineData(LoraInitialization.Orthogonal)]
    public void A_trained_length_stays_and_a_fresh_one_is_the_new_bases(LoraInitialization start)
    {
        using var scope = NewDisposeScope();
        var builder = ToyModel.Builder().AddAttention();
        builder.Options.Seed = 77;
        using var plain = builder.Build();
        using var model = ToyModel.Builder().AddAttention().UseLora(l => (l.Rank, l.IsWeightDecomposed, l.Initialization) = (2, true, start), sites: ["q_proj"]).Build();
        LoraAdapters.LoadBase(model, ModuleTensors.Of(plain));
        Close.Check("fresh", AdapterLaws.Logits(plain), AdapterLaws.Logits(model), absolute: 1e-12);
        Awake.Up(model);
        var tuned = AdapterLaws.Logits(model);

        LoraAdapters.LoadBase(model, ModuleTensors.Of(plain));

        Close.Check("trained", tuned, AdapterLaws.Logits(model));
    }

    [Fact]
    public void A_base_with_a_value_that_is_no_number_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var plain = ToyModel.Builder().AddAttention().Build();
        using var model = ToyModel.Builder().AddAttention().UseLora(l => l.Rank = 2, sites: ["q_proj"]).Build();
        using (no_grad())
            plain.get_parameter("layers.1.mixer.k_proj.weight")!.fill_(double.NaN);
        Assert.Contains("layers.1.mixer.k_proj.weight", Assert.Throws<ArgumentException>(() => LoraAdapters.LoadBase(model, ModuleTensors.Of(plain))).Message, StringComparison.Ordinal);
    }
}
