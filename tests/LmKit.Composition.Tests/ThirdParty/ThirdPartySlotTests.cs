using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>Each slot is filled from outside the packages, and the model builds, learns, is saved, loads and describes itself.</summary>
[NoTensorLeak]
public sealed class ThirdPartySlotTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("lmkit-toys-").FullName;

    public static TheoryData<string, string, string?> Slotted => new()
    {
        { "mixer", "toy_decay", "layers.1.mixer.out_proj.weight" },
        { "mask", "toy_stride", null },
        { "linear", "toy_low_rank", "layers.1.mixer.q_proj.down" },
        { "linear_wrapper", "toy_scale", "layers.1.mixer.q_proj.scale" },
        { "feed_forward", "toy_mlp", "layers.1.mlp.up.weight" },
        { "norm", "toy_max_norm", "layers.1.norm1.weight" },
        { "sampler", "toy_ranked", null },
        { "dictionary", "toy_dictionary", null },
    };

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [MemberData(nameof(Slotted))]
    public void A_third_partys_component_builds_learns_and_loads_in_its_slot(string slot, string kind, string? weight)
    {
        using var scope = NewDisposeScope();
        using var plain = Plain().Build();
        using var model = Fill(slot).Build();
        var tokens = (arange(3 * 12, dtype: ScalarType.Int64).view(3, 12) * 7).remainder(ToyModel.VocabSize);
        var before = Logits(model, tokens);
        if (slot is "mixer" or "mask" or "linear" or "feed_forward" or "norm")
            Assert.False(Logits(plain, tokens).allclose(before), "The component changes nothing.");
        var start = weight is null ? null : Weight(model, weight).detach().clone();
        var losses = Enumerable.Range(0, 10).Select(_ => Step(model, tokens)).ToList();

        Assert.True(losses[^1] < losses[0], $"{losses[0]} to {losses[^1]}");
        if (weight is not null)
            Assert.False(start!.Equals(Weight(model, weight)), $"{weight} has not moved.");
        Assert.Contains(model.Config.Components, entry => entry.Slot.Name == slot && entry.Kind == kind && entry.Package == "LmKit.Composition.Tests");
        model.Save(folder);
        using var loaded = LanguageModel.Load(folder, kinds => kinds.AddToys());
        Assert.Equal(model.Config, loaded.Config);
        Assert.True(Logits(model, tokens).Equals(Logits(loaded, tokens)));
        var error = Assert.Throws<ConfigurationException>(() => LanguageModel.Load(folder));
        Assert.Contains(kind, error.Message, StringComparison.Ordinal);
        Assert.Contains("LmKit.Composition.Tests", error.Message, StringComparison.Ordinal);
        Assert.Equal(Path.Combine(folder, "config.json"), error.FilePath);
        CheckDescription(slot, kind, loaded);
        CheckParts(slot, loaded);
    }

    [Fact]
    public void All_slots_may_be_filled_at_once()
    {
        using var scope = NewDisposeScope();
        var all = Plain().Add(ToyMixer.Kind, layers: [0]).Add(ToyComponents.Mask).Add(ToyComponents.Linear, sites: ["mlp.*"]).Add(ToyComponents.Wrapper)
            .Add(ToyComponents.FeedForward, layers: [0]).Add(ToyComponents.Norm).Add(ToyComponents.Sampler).Add(ToyComponents.Dictionary);
        using var model = all.Build();
        var tokens = zeros([1, 5], ScalarType.Int64);
        var whole = Logits(model, tokens);
        using var state = model.NewState(1);
        using var frozen = no_grad();
        var parts = cat([model.call(tokens[.., ..2], new SequenceContext(state)), model.call(tokens[.., 2..], new SequenceContext(state))], 1);

        Close.Check("logits in pieces", whole, parts, absolute: 1e-5);
    }

    private static LanguageModelBuilder Plain() => ToyModel.Builder(2, ScalarType.Float32).AddAttention(attention => attention.HeadCount = 2);

    private static LanguageModelBuilder Fill(string slot) => slot switch
    {
        "mixer" => Plain().Add(ToyMixer.Kind, mixer => mixer.Decay = 0.8, layers: [1]),
        "mask" => Plain().Add(ToyComponents.Mask, mask => mask.Stride = 3, layers: [1]),
        "linear" => Plain().Add(ToyComponents.Linear, linear => linear.Rank = 3, layers: [1], sites: ["q_proj"]),
        "linear_wrapper" => Plain().Add(ToyComponents.Wrapper, layers: [1], sites: ["q_proj"]),
        "feed_forward" => Plain().Add(ToyComponents.FeedForward, mlp => mlp.Factor = 3, layers: [1]),
        "norm" => Plain().Add(ToyComponents.Norm, layers: [1]),
        "sampler" => Plain().Add(ToyComponents.Sampler, sampler => sampler.Rank = 2),
        _ => Plain().Add(ToyComponents.Dictionary, dictionary => dictionary.FeatureCount = 24, layers: [1]),
    };

    private static void CheckDescription(string slot, string kind, LanguageModel model)
    {
        var described = model.Describe();
        Assert.Equal(described.ToString(), model.Config.Describe(new ComponentRegistry().AddToys()).ToString());
        var (first, second) = (described.Layers[0], described.Layers[1]);
        var (one, other) = slot switch
        {
            "mixer" => (first.Mixer, second.Mixer),
            "mask" => (first.Mask, second.Mask),
            "feed_forward" => (first.FeedForward, second.FeedForward),
            "norm" => (first.Norm, second.Norm),
            "dictionary" => (first.Dictionaries, second.Dictionaries),
            "linear" => (first.Linears.Contains(nameof(LowRankLinear), StringComparison.Ordinal) ? kind : "", second.Linears.Contains($"1 {nameof(LowRankLinear)}", StringComparison.Ordinal) ? kind : ""),
            "linear_wrapper" => (first.Linears.Contains(nameof(ScaledLinear), StringComparison.Ordinal) ? kind : "", second.Linears.Contains($"1 {nameof(ScaledLinear)}", StringComparison.Ordinal) ? kind : ""),
            _ => ("", kind), // a sampler is no part of the model's body
        };
        Assert.Equal(kind, other);
        Assert.NotEqual(kind, one);
    }

    private static void CheckParts(string slot, LanguageModel model)
    {
        Assert.Equal(slot == "sampler", model.CreateSampler() is RankedSampler);
        Assert.Empty(model.CreateDictionaries(0));
        var made = model.CreateDictionaries(1);
        if (slot != "dictionary")
        {
            Assert.Empty(made);
            return;
        }
        using var dictionary = Assert.IsType<ToyDictionary>(Assert.Single(made));
        Assert.Equal([24, ToyModel.ModelDim], dictionary.Atoms.shape);
        Assert.False(dictionary.training);
    }

    private static double Step(LanguageModel model, Tensor tokens)
    {
        using var scope = NewDisposeScope();
        using var optimizer = optim.SGD(model.parameters(), 0.3);
        optimizer.zero_grad();
        var loss = NextTokenLoss.Of(model, tokens).Sum / 33.0;
        loss.backward();
        optimizer.step();
        return loss.to(ScalarType.Float64).item<double>();
    }

    private static TorchSharp.Modules.Parameter Weight(LanguageModel model, string name) => model.get_parameter(name) ?? throw new ArgumentException(name);

    private static Tensor Logits(LanguageModel model, Tensor tokens)
    {
        using var frozen = no_grad();
        return model.call(tokens, null);
    }
}
