using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

[NoTensorLeak]
public class LoraLinearTests
{
    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void A_fresh_adapter_changes_no_bit(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var lora = Make(dtype, isAwake: false);
        var x = Input(dtype);

        var with = lora.call(x);
        lora.IsEnabled = false;

        Close.Check("output", lora.call(x), with);
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Unmerging_gives_the_base_back_bit_for_bit(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var lora = Make(dtype);
        var weight = lora.get_parameter("base_layer.weight")!;
        var before = weight.clone();
        var x = Input(dtype);
        var unmerged = lora.call(x);

        Assert.True(lora.Merge());
        Assert.False(lora.Merge());
        _ = lora.call(x);
        weight.bytes = (weight + 1).bytes; // past libtorch and so unseen, which shows that the call reads one sum
        Close.Check("merged", unmerged, lora.call(x), absolute: dtype == ScalarType.BFloat16 ? 0.1 : dtype == ScalarType.Float32 ? 1e-5 : 1e-12);
        weight.copy_(before); // counted, so that the sum is made anew
        Close.Check("merged again", unmerged, lora.call(x), absolute: dtype == ScalarType.BFloat16 ? 0.1 : dtype == ScalarType.Float32 ? 1e-5 : 1e-12);
        lora.Unmerge();

        Close.Check("weight", before, weight);
        Close.Check("output", unmerged, lora.call(x));
    }

    [Fact]
    public void Two_adapters_can_be_merged_and_taken_out_in_any_order()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var site = Sites.Make(6, 5);
        var inner = new LoraLinear(new LoraOptions { Rank = 2, DropoutRate = 0 }, new DenseLinear(site), site);
        using var outer = new LoraLinear(new LoraOptions { Rank = 3, DropoutRate = 0 }, inner, site);
        Awake.Up(outer);
        outer.eval();
        var x = Input(ScalarType.Float64);
        var weight = outer.get_parameter("base_layer.base_layer.weight")!;
        var (before, both) = (weight.clone(), outer.call(x));

        outer.Merge();
        inner.Merge();
        Close.Check("both merged", both, outer.call(x), absolute: 1e-12);
        outer.Unmerge();
        Close.Check("one merged", both, outer.call(x), absolute: 1e-12);
        inner.Unmerge();

        Close.Check("weight", before, weight);
    }

    [Fact]
    public void A_structured_base_keeps_its_adapter_or_becomes_dense()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var site = Sites.Make(6, 5);
        using var lora = new LoraLinear(new LoraOptions { Rank = 2, DropoutRate = 0 }, new MonarchLinear(new MonarchOptions { BlockCount = 2 }, site), site);
        Awake.Up(lora);
        lora.eval();
        var x = Input(ScalarType.Float64);
        var expected = lora.call(x);

        Assert.False(lora.Merge());
        Assert.True(lora.Merge(MergeMode.Densify));
        Close.Check("densified", expected, lora.call(x), absolute: 1e-10);
        lora.Unmerge();
        Close.Check("unmerged", expected, lora.call(x));
    }

    [Fact]
    public void A_merge_that_is_not_finite_changes_nothing()
    {
        using var scope = NewDisposeScope();
        using var lora = Make(ScalarType.Float64);
        var weight = lora.get_parameter("base_layer.weight")!;
        var before = weight.clone();
        Assert.Throws<ArgumentOutOfRangeException>(() => lora.Strength = double.PositiveInfinity);
        using (no_grad())
            lora.get_parameter("lora_B")!.fill_(double.PositiveInfinity);

        Assert.Throws<InvalidOperationException>(() => lora.Merge());

        Close.Check("weight", before, weight);
        Assert.False(lora.IsMerged);
    }

    [Fact]
    public void Only_the_adapter_gets_gradients()
    {
        using var scope = NewDisposeScope();
        using var lora = Make(ScalarType.Float64);
        lora.call(Input(ScalarType.Float64)).sum().backward();

        Assert.NotNull(lora.get_parameter("lora_A")!.grad);
        Assert.NotNull(lora.get_parameter("lora_B")!.grad);
        Assert.Null(lora.get_parameter("base_layer.weight")!.grad);
        Assert.All(DecayGroups.Of(lora), group => Assert.False(group.Hint.Decays));
    }

    [Theory]
    [InlineData(6, 5, 2, ScalarType.Float64)]
    [InlineData(33, 130, 8, ScalarType.Float32)]
    [InlineData(130, 7, 3, ScalarType.Float32)]
    public void Gradients_are_those_of_the_low_rank_update(long inFeatures, long outFeatures, int rank, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var site = Sites.Make(inFeatures, outFeatures, true, dtype);
        using var lora = new LoraLinear(new LoraOptions { Rank = rank, Alpha = 7, DropoutRate = 0 }, new DenseLinear(site), site);
        Awake.Up(lora);
        using var random = new Generator(3);
        var x = randn([2, 9, inFeatures], dtype, generator: random).requires_grad_();
        var g = randn([2, 9, outFeatures], dtype, generator: random);
        var (A, B, W) = (lora.get_parameter("lora_A")!, lora.get_parameter("lora_B")!, lora.get_parameter("base_layer.weight")!);
        (lora.call(x) * g).sum().backward();

        var (rows, sent, s) = (x.detach().view(-1, inFeatures), g.view(-1, outFeatures), 7.0 / rank);
        var tolerance = dtype == ScalarType.Float64 ? 1e-12 : 2e-6;
        Close.Check("A", sent.mm(B).t().mm(rows) * s, A.grad!, relativeToLargest: tolerance);
        Close.Check("B", sent.t().mm(rows.mm(A.t())) * s, B.grad!, relativeToLargest: tolerance);
        Close.Check("x", (sent.mm(W) + sent.mm(B).mm(A) * s).view(x.shape), x.grad!, relativeToLargest: tolerance);
        Assert.Null(W.grad);
        Assert.Null(lora.get_parameter("base_layer.bias")!.grad);
    }

    [Fact]
    public void Weight_decomposition_refuses_a_structured_base()
    {
        var error = Assert.Throws<ConfigurationException>(() =>
            ToyModel.Builder().AddAttention().AddMonarchLinear(m => m.BlockCount = 2).UseLora(l => l.IsWeightDecomposed = true).Build());

        Assert.Contains("use_dora", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_is_built_with_adapters_takes_base_weights_and_trains_nothing_else()
    {
        using var scope = NewDisposeScope();
        using var plain = ToyModel.Builder().AddAttention().Build();
        using var tuned = ToyModel.Builder().AddAttention().UseLora(l => { l.Rank = 2; l.IsWeightDecomposed = true; }, sites: ["q_proj", "v_proj"]).Build();
        LoraAdapters.LoadBase(tuned, plain.state_dict());
        plain.eval();
        tuned.eval();
        var tokens = tensor(new long[] { 1, 2, 3, 4 }, [1, 4]);

        Close.Check("logits", plain.call(tokens, null), tuned.call(tokens, null), absolute: 1e-12);
        var count = LoraAdapters.FreezeOthers(tuned);

        Assert.Equal(4, LoraAdapters.Of(tuned).Count);
        Assert.Equal(4 * ((2 * 8 * 2) + 8), count);
        Assert.All(tuned.named_parameters().Where(p => p.parameter.requires_grad), p => Assert.Contains(".lora_", p.name, StringComparison.Ordinal));
        Assert.Throws<ArgumentException>(() => LoraAdapters.FreezeOthers(plain));
    }

    [Fact]
    public void A_configuration_with_adapters_comes_back()
    {
        var json = ToyModel.Builder().AddAttention().UseLora(l => l.RankPattern["q_proj"] = 3).Config.ToJson();
        using var model = LanguageModel.Build(ModelConfig.FromJson(json), new ComponentRegistry().AddTuning());

        Assert.Equal(3, LoraAdapters.Of(model).First(entry => entry.Name.EndsWith("q_proj", StringComparison.Ordinal)).Adapter.Rank);
        Assert.Equal(16, LoraAdapters.Of(model).First(entry => entry.Name.EndsWith("v_proj", StringComparison.Ordinal)).Adapter.Rank);
    }

    private static LoraLinear Make(ScalarType dtype, bool isAwake = true)
    {
        var site = Sites.Make(6, 5, true, dtype);
        var lora = new LoraLinear(new LoraOptions { Rank = 2, DropoutRate = 0 }, new DenseLinear(site), site);
        if (isAwake)
            Awake.Up(lora);
        lora.eval();
        return lora;
    }

    private static Tensor Input(ScalarType dtype)
    {
        using var random = new Generator(3);
        return randn([4, 6], ScalarType.Float64, generator: random).to(dtype);
    }
}
