using LmKit.Conformance;
using Microsoft.Extensions.DependencyInjection;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[NoTensorLeak]
public class DiffusionKindsTests
{
    private const long Mask = 10;

    private static readonly Dictionary<string, (Action<LanguageModelBuilder> Add, Type Type)> verbs = new()
    {
        ["ancestral"] = (builder => builder.AddAncestralSampler(Mask, options => options.StepCount = 3), typeof(AncestralSampler)),
        ["cached_ancestral"] = (builder => builder.AddCachedAncestralSampler(Mask, options => options.StepCount = 3), typeof(CachedAncestralSampler)),
        ["sparse_ancestral"] = (builder => builder.AddSparseAncestralSampler(Mask, options => options.StepCount = 3), typeof(SparseAncestralSampler)),
        ["analytic"] = (builder => builder.AddAnalyticSampler(Mask, options => options.StepCount = 3), typeof(AnalyticSampler)),
        ["remasking"] = (builder => builder.AddRemaskingSampler(Mask, options => (options.StepCount, options.Strategy) = (3, RemaskingStrategy.ForwardBackward)), typeof(RemaskingSampler)),
        ["semi_autoregressive"] = (builder => builder.AddSemiAutoregressiveSampler(Mask, options => (options.StepCount, options.WindowLength, options.StrideLength) = (3, 4, 2)), typeof(SemiAutoregressiveSampler)),
        ["confidence"] = (builder => builder.AddConfidenceSampler(Mask, options => options.StepCount = 3), typeof(ConfidenceSampler)),
    };

    public static TheoryData<string> Verbs => [.. verbs.Keys];

    [Theory]
    [MemberData(nameof(Verbs))]
    public void A_model_read_from_its_JSON_samples_as_the_one_that_was_built(string kind)
    {
        using var scope = NewDisposeScope();
        var builder = Bidirectional();
        verbs[kind].Add(builder);
        using var built = builder.Build();
        var json = built.Config.ToJson();
        using var read = LanguageModel.Build(ModelConfig.FromJson(json), new ComponentRegistry().AddDiffusion(), dtype: builder.Dtype);
        built.eval();
        read.eval();

        Assert.Contains($"\"{kind}\"", json, StringComparison.Ordinal);
        Assert.Contains("\"mask_id\": 10", json, StringComparison.Ordinal);
        Assert.IsType(verbs[kind].Type, read.CreateSampler());
        using var ours = Draws.Last((DiffusionSampler)built.CreateSampler(), full(2, 1, Mask, ScalarType.Int64), 5, 4);
        using var theirs = Draws.Last((DiffusionSampler)read.CreateSampler(), full(2, 1, Mask, ScalarType.Int64), 5, 4);
        Close.Check("samples", ours, theirs);
        Assert.False(ours.eq(Mask).any().ToBoolean());
    }

    [Fact]
    public void A_registry_without_the_package_names_it()
    {
        var config = Bidirectional().AddAncestralSampler(Mask).Config;

        Assert.Contains("LmKit.Diffusion", Assert.Throws<ConfigurationException>(() => LanguageModel.Build(config, new ComponentRegistry())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_sampler_without_a_mask_id_or_with_an_impossible_one_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var missing = Bidirectional().Add(DiffusionSamplerComponents.Ancestral).Build();
        using var beyond = Bidirectional().AddAncestralSampler(11).Build();

        Assert.Contains("DiffusionSamplerOptions.MaskId = null ($.components[1].options.mask_id)", Assert.Throws<ConfigurationException>(() => missing.CreateSampler()).Message, StringComparison.Ordinal);
        Assert.Contains("DiffusionSamplerOptions.MaskId = 11 ($.components[1].options.mask_id)", Assert.Throws<ConfigurationException>(() => beyond.CreateSampler()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_out_of_range_are_refused_by_their_path()
    {
        var error = Assert.Throws<ConfigurationException>(() => Bidirectional().AddConfidenceSampler(Mask, options => options.Threshold = 1.5));

        Assert.Equal("$.components[1].options.threshold", error.Path);
    }

    [Fact]
    public void A_causal_model_cannot_be_sampled_so()
    {
        using var scope = NewDisposeScope();
        using var model = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).AddAncestralSampler(Mask).Build();

        Assert.Contains("causal", Assert.Throws<ConfigurationException>(() => model.CreateSampler()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_container_hands_out_the_sampler()
    {
        using var scope = NewDisposeScope();
        var services = new ServiceCollection();
        services.AddLanguageModel(model => (model.VocabSize, model.ModelDim, model.LayerCount, model.IsBidirectional) = (11, 8, 1, true))
            .AddAttention(attention => attention.HeadCount = 2)
            .AddSparseAncestralSampler(Mask);
        using var provider = services.BuildServiceProvider();

        Assert.IsType<SparseAncestralSampler>(provider.GetRequiredService<ISampler>());
    }

    private static LanguageModelBuilder Bidirectional()
    {
        var builder = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2);
        builder.Options.IsBidirectional = true;
        return builder;
    }
}
