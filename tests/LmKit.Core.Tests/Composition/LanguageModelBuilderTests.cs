using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class LanguageModelBuilderTests
{
    private readonly List<string> said = [];

    [Fact]
    public void The_last_mixer_of_a_layer_wins()
    {
        using var model = ToyModel.Builder(3).AddAttention(a => a.HasBias = true).AddAttention(a => a.HasBias = false, layers: [1]).Build();

        Assert.Contains("layers.0.mixer.q_proj.bias", Names(model));
        Assert.DoesNotContain("layers.1.mixer.q_proj.bias", Names(model));
        Assert.Contains("layers.2.mixer.q_proj.bias", Names(model));
    }

    [Fact]
    public void A_mixer_for_all_layers_overrides_an_earlier_one_for_some()
    {
        using var model = ToyModel.Builder().AddAttention(a => a.HasBias = false, layers: [1]).AddAttention().Build();

        Assert.Contains("layers.1.mixer.q_proj.bias", Names(model));
    }

    [Fact]
    public void The_last_linear_of_a_site_wins()
    {
        using var scope = NewDisposeScope();
        var builder = ToyModel.Builder(1).AddAttention()
            .Add(TaggedLinear.Kind("all", said))
            .Add(TaggedLinear.Kind("keys", said), sites: ["k_proj"])
            .Add(TaggedLinear.Kind("mlp", said), sites: ["mlp.*"]);
        using var model = builder.Build();
        model.call(Tokens(), null).Dispose();

        Assert.Equal(["all", "keys", "all", "all", "mlp", "mlp"], said);
    }

    [Fact]
    public void The_first_wrapper_used_is_the_outermost()
    {
        using var scope = NewDisposeScope();
        var builder = ToyModel.Builder(1).AddAttention()
            .Add(TaggedLinear.Wrapper("outer", said), sites: ["q_proj"])
            .Add(TaggedLinear.Wrapper("inner", said), sites: ["q_proj"]);
        using var model = builder.Build();
        model.call(Tokens(), null).Dispose();

        Assert.Equal(["outer", "inner"], said);
        Assert.Contains("layers.0.mixer.q_proj.inner.inner.weight", Names(model));
    }

    [Fact]
    public void A_wrapper_may_be_kept_to_some_layers()
    {
        using var scope = NewDisposeScope();
        using var model = ToyModel.Builder(3).AddAttention().Add(TaggedLinear.Wrapper("w", said), layers: [0, 2], sites: ["v_proj"]).Build();
        model.call(Tokens(), null).Dispose();

        Assert.Equal(["w", "w"], said);
    }

    [Fact]
    public void Components_have_the_published_names()
    {
        using var model = ToyModel.Builder(1).AddAttention().Build();

        Assert.Equal(
            [
                "embeddings.word_embeddings.weight",
                "layers.0.norm1.weight", "layers.0.norm1.bias",
                "layers.0.mixer.q_proj.weight", "layers.0.mixer.q_proj.bias", "layers.0.mixer.k_proj.weight", "layers.0.mixer.k_proj.bias",
                "layers.0.mixer.v_proj.weight", "layers.0.mixer.v_proj.bias", "layers.0.mixer.out_proj.weight", "layers.0.mixer.out_proj.bias",
                "layers.0.norm2.weight", "layers.0.norm2.bias",
                "layers.0.mlp.fc1.weight", "layers.0.mlp.fc1.bias", "layers.0.mlp.fc2.weight", "layers.0.mlp.fc2.bias",
                "ln_f.weight", "ln_f.bias",
            ],
            Names(model));
    }

    [Fact]
    public void The_same_seed_builds_the_same_parameters_and_another_seed_others()
    {
        using var scope = NewDisposeScope();
        using var first = ToyModel.Builder().AddAttention().Build();
        using var second = ToyModel.Builder().AddAttention().Build();
        var other = ToyModel.Builder().AddAttention();
        other.Options.Seed = 6;
        using var third = other.Build();

        Assert.True(Weight(first).IsSame(Weight(second)));
        Assert.False(Weight(first).IsSame(Weight(third)));
    }

    [Fact]
    public void A_model_built_inside_a_dispose_scope_outlives_it_and_leaves_nothing_when_disposed()
    {
        using var scope = NewDisposeScope();
        LiveTensors.Unchanged("Building, calling and disposing a model", () =>
        {
            LanguageModel model;
            using (NewDisposeScope())
                model = ToyModel.Builder().AddAttention().Build();
            using (model)
            {
                using var tokens = Tokens();
                model.call(tokens, null).Dispose();
            }
        });
    }

    [Fact]
    public void Building_the_default_sampler_needs_no_sampler_entry()
    {
        using var model = ToyModel.Builder().AddAttention().Build();

        Assert.IsType<AutoregressiveSampler>(model.CreateSampler());
    }

    internal static Tensor Tokens() => tensor(new long[] { 1, 2, 3, 4, 5, 6 }, [2, 3]);

    private static string[] Names(LanguageModel model) => [.. model.named_parameters().Select(pair => pair.name)];

    private static TorchSharp.Modules.Parameter Weight(LanguageModel model) => model.get_parameter("layers.1.mixer.v_proj.weight")!;
}
