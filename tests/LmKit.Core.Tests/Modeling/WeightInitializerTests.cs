using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>From what a model's dense weights, biases and tables are drawn.</summary>
[NoTensorLeak]
public sealed class WeightInitializerTests
{
    [Fact]
    public void Uniform_values_fill_the_range_of_their_fan_in_biases_included()
    {
        using var scope = NewDisposeScope();
        using var model = Builder().AddLearnedPositions(64).AddPackedLinear(sites: ["fc2"]).Build();

        foreach (var (name, fanIn) in new[] { ("embeddings.word_embeddings.weight", 64), ("embeddings.learned.position_embeddings.weight", 64), ("layers.0.mixer.out_proj.weight", 64), ("layers.0.mlp.fc1.bias", 64), ("layers.0.mlp.fc2.weight", 256), ("layers.0.mlp.fc2.bias", 256), ("lm_head.weight", 64) })
        {
            var value = model.get_parameter(name)!.abs();
            var bound = 1 / Math.Sqrt(fanIn);
            Assert.InRange(value.max().item<double>(), 0.9 * bound, bound);
            Assert.InRange(value.mean().item<double>(), 0.4 * bound, 0.6 * bound);
        }
        Assert.Contains("\"initializer\": \"uniform_fan_in\"", model.Config.ToJson(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_range_that_nothing_reads_is_refused()
    {
        var builder = Builder();
        builder.Options.InitializerRange = 0.4;

        Assert.Equal(
            "LanguageModelOptions.InitializerRange = 0.4 ($.model.initializer_range) has no effect under Initializer = UniformFanIn ($.model.initializer); leave it at its default.",
            Problem(builder));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_head_of_its_own_may_start_at_zero_whatever_linear_stands_there(bool isPacked)
    {
        using var scope = NewDisposeScope();
        var builder = Builder().AddLinearHead(head => (head.HasBias, head.StartsAtZero) = (true, true));
        if (isPacked)
            builder.AddPackedLinear(sites: [LinearSite.Head]);
        using var model = builder.Build();

        Close.Check("logits", zeros(1, 3, 11, ScalarType.Float64), model.call(tensor(new long[] { 1, 2, 3 }, [1, 3]), null));

        builder.Options.IsHeadTied = true;
        Assert.Contains("LinearHeadOptions.StartsAtZero = true", Problem(builder), StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_without_norms_has_none()
    {
        using var scope = NewDisposeScope();
        using var model = Builder().AddNoNorm().Build();
        using var last = Builder().AddNoNorm(layers: [1]).Build();

        Assert.DoesNotContain(model.named_parameters(), pair => pair.name.Contains("norm", StringComparison.Ordinal) || pair.name.StartsWith("ln_f", StringComparison.Ordinal));
        Assert.Equal(["layers.0.norm1.bias", "layers.0.norm1.weight", "layers.0.norm2.bias", "layers.0.norm2.weight"], last.named_parameters().Select(pair => pair.name).Where(name => name.Contains("norm", StringComparison.Ordinal) || name.StartsWith("ln_f", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    private static LanguageModelBuilder Builder()
    {
        var builder = new LanguageModelBuilder { VocabSize = 11, ModelDim = 64, LayerCount = 1, Dtype = ScalarType.Float64 };
        (builder.Options.Initializer, builder.Options.IsHeadTied) = (WeightInitializer.UniformFanIn, false);
        return builder.AddAttention();
    }

    private static string Problem(LanguageModelBuilder builder) => Assert.Throws<ConfigurationException>(() => builder.Build()).Message;
}
