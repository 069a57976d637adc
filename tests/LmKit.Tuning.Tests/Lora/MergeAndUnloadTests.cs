using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

[NoTensorLeak]
public class MergeAndUnloadTests
{
    private const double Tolerance = 1e-9;

    public static TheoryData<string> Kinds => ["dense", "stacked", "dora", "monarch", "monarch everywhere", "packed", "strengths", "untied head", "partly off", "bias"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_plain_model_computes_the_same_and_loads_without_this_package(string kind)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Builder(kind).Build();
        Awake.Up(model);
        if (kind == "strengths")
            LoraAdapters.Of(model)[1].Adapter.Strength = -0.3;
        if (kind == "partly off")
            LoraAdapters.Of(model)[0].Adapter.IsEnabled = false;
        var (before, tuned) = (Copies(model), AdapterLaws.Logits(model));
        LoraAdapters.Merge(model);

        using var plain = LoraAdapters.MergeAndUnload(model);

        Assert.False(plain.training);
        Close.Check("plain", tuned, AdapterLaws.Logits(plain), absolute: Tolerance);
        Assert.DoesNotContain("lora", plain.Config.ToJson(), StringComparison.Ordinal);
        plain.Save(folder["plain"]);
        using var loaded = LanguageModel.Load(folder["plain"], kinds => _ = kind == "monarch" ? kinds.AddStructured() : kinds);
        Close.Check("loaded", tuned, AdapterLaws.Logits(loaded), absolute: Tolerance);
        foreach (var (name, tensor) in before)
            Close.Check(name, tensor, model.state_dict()[name]);
        Close.Check("the original", tuned, AdapterLaws.Logits(model), absolute: Tolerance);
    }

    [Fact]
    public void Linears_keep_their_kind_where_that_is_exact()
    {
        using var scope = NewDisposeScope();
        using var model = Builder("packed").Build();
        Awake.Up(model);
        using var plain = LoraAdapters.MergeAndUnload(model);
        Assert.Equal(model.named_modules().Count(entry => entry.module is PackedLinear), plain.named_modules().Count(entry => entry.module is PackedLinear));

        using var monarch = Builder("monarch").Build();
        using var dense = LoraAdapters.MergeAndUnload(monarch);
        Assert.Equal(2, monarch.named_modules().Count(entry => entry.module is MonarchLinear && !entry.name.Contains("fc2", StringComparison.Ordinal)));
        Assert.Equal(["layers.0.mlp.fc2", "layers.1.mlp.fc2"], dense.named_modules().Where(entry => entry.module is MonarchLinear).Select(entry => entry.name));
    }

    [Fact]
    public void Rounded_packed_weights_become_dense_with_the_sum_that_was_computed()
    {
        using var scope = NewDisposeScope();
        var builder = ToyModel.Builder(dtype: ScalarType.Float32).AddAttention().AddPackedLinear().UseLora(l => l.Rank = 2, sites: ["q_proj"]);
        using var model = builder.Build();
        Awake.Up(model);
        var tuned = AdapterLaws.Logits(model);
        model.train(); // what counts is what it computes in use
        using var plain = LoraAdapters.MergeAndUnload(model);

        Close.Check("logits", tuned, AdapterLaws.Logits(plain), absolute: 1e-5);
        Assert.Equal(typeof(DenseLinear), plain.named_modules().First(entry => entry.name == "layers.0.mixer.q_proj").module.GetType());
        Assert.Equal(typeof(PackedLinear), plain.named_modules().First(entry => entry.name == "layers.0.mixer.k_proj").module.GetType());
        Assert.True(model.training);
        Assert.True(((nn.Module)LoraAdapters.Of(model)[0].Adapter).get_parameter("base_layer.weight") is not null);
    }

    [Fact]
    public void Rows_of_trained_tokens_go_along()
    {
        using var scope = NewDisposeScope();
        using var model = Builder("dense").Build();
        using (var trainer = new Trainer(new FineTuner(model, [new SupervisedExample([9, 1, 2, 10], [false, true, true, true])], new FineTuningOptions { RowLength = 8, RowCount = 1, TrainedTokens = [9, 10] }), new TrainingOptions { Steps = 5, LearningRate = 0.05 }))
            trainer.Run();
        using var plain = LoraAdapters.MergeAndUnload(model);

        Close.Check("logits", AdapterLaws.Logits(model), AdapterLaws.Logits(plain), absolute: Tolerance);
        Close.Check("rows", model.get_parameter("embeddings.word_embeddings.weight")!, plain.get_parameter("embeddings.word_embeddings.weight")!);
    }

    [Fact]
    public void What_a_plain_model_cannot_hold_is_refused_by_name()
    {
        using var plain = ToyModel.Builder().AddAttention().Build();
        Assert.Contains("no adapter", Assert.Throws<ArgumentException>(() => LoraAdapters.MergeAndUnload(plain)).Message, StringComparison.Ordinal);

        using var biased = ToyModel.Builder().AddAttention(attention => attention.HasBias = false).UseLora(l => (l.Rank, l.HasBias) = (2, true), sites: ["v_proj"]).Build();
        using (var fresh = LoraAdapters.MergeAndUnload(biased)) // a bias of zero needs no place
            Assert.Null(fresh.get_parameter("layers.0.mixer.v_proj.bias"));
        Awake.Up(biased);
        var refused = Assert.Throws<InvalidOperationException>(() => LoraAdapters.MergeAndUnload(biased)).Message;
        Assert.Contains("layers.0.mixer.v_proj", refused, StringComparison.Ordinal);
        Assert.Contains("lora_bias", refused, StringComparison.Ordinal);

        using var broken = Builder("dense").Build();
        using (no_grad())
            LoraAdapters.Of(broken)[0].Adapter.get_parameter("lora_B")!.fill_(double.NaN);
        Assert.Contains("layers.0.mixer.q_proj", Assert.Throws<InvalidOperationException>(() => LoraAdapters.MergeAndUnload(broken)).Message, StringComparison.Ordinal);
        Assert.Contains("layers.0.mixer.q_proj", Assert.Throws<InvalidOperationException>(() => LoraAdapters.Merge(broken)).Message, StringComparison.Ordinal);
    }

    private static LanguageModelBuilder Builder(string kind)
    {
        var builder = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2);
        builder.Options.IsHeadTied = kind != "untied head";
        if (kind == "monarch")
            builder.AddMonarchLinear(m => m.BlockCount = 2, sites: ["q_proj", "fc2"]);
        if (kind == "monarch everywhere")
            builder.AddMonarchLinear(m => m.BlockCount = 2).UseLora(l => l.Rank = 1);
        if (kind == "packed")
            builder.AddPackedLinear(p => p.Format = WeightFormat.Full);
        if (kind == "stacked")
            builder.UseLora(l => (l.Rank, l.IsRankStabilized) = (3, true), sites: ["q_proj", "fc1"]);
        return builder.UseLora(
            l =>
            {
                (l.Rank, l.Alpha, l.DropoutRate) = (2, 3, 0);
                l.IsWeightDecomposed = kind is "dora" or "stacked";
                l.HasBias = kind is "bias" or "dora";
            },
            sites: ["q_proj", "v_proj"]);
    }

    private static Dictionary<string, Tensor> Copies(nn.Module module) => module.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.detach().clone());
}
