using LmKit.Conformance;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace LmKit.Composition.Tests;

/// <summary>A host that starts checks the configurations of its models.</summary>
[NoTensorLeak]
public class HostStartTests
{
    [Fact]
    public void A_good_model_passes_and_is_not_built()
    {
        var services = new ServiceCollection();
        services.AddLanguageModel(Sizes(16)).AddAttention(attention => attention.HeadCount = 4).AddMonarchLinear().UseLora().AddTopKAutoencoder(options => options.FeatureCount = 9);
        using var provider = services.BuildServiceProvider();
        var live = LiveTensors.Count;
        Start(provider);
        Assert.Equal(live, LiveTensors.Count);
    }

    [Fact]
    public void A_model_that_cannot_work_fails_at_the_start_with_both_names()
    {
        var services = new ServiceCollection();
        services.AddLanguageModel(Sizes(32)).AddAttention(attention => attention.HeadCount = 5);
        using var provider = services.BuildServiceProvider();
        var error = Assert.Throws<OptionsValidationException>(() => Start(provider));
        Assert.Contains("num_attention_heads", error.Message, StringComparison.Ordinal);
        Assert.Matches("= 5 .* = 32", error.Message);
    }

    [Fact]
    public void Of_several_models_the_one_at_fault_is_named_by_its_key()
    {
        var services = new ServiceCollection();
        services.AddLanguageModel(Sizes(16)).AddAttention();
        services.AddKeyedLanguageModel("small", Sizes(16)).AddAttention();
        services.AddKeyedLanguageModel("large", Sizes(32)).AddAttention(attention => attention.HeadCount = 5);
        services.AddKeyedLanguageModel("empty", Sizes(32));
        using var provider = services.BuildServiceProvider();
        var error = Assert.ThrowsAny<Exception>(() => Start(provider));
        Assert.DoesNotContain("small", error.ToString(), StringComparison.Ordinal);
        var faults = error is AggregateException several ? several.InnerExceptions.Select(one => one.Message).ToList() : [error.Message];
        Assert.Equal(2, faults.Count);
        Assert.Contains(faults, fault => fault.StartsWith("model 'large': ", StringComparison.Ordinal) && fault.Contains("num_attention_heads", StringComparison.Ordinal));
        Assert.Contains(faults, fault => fault.StartsWith("model 'empty': ", StringComparison.Ordinal) && fault.Contains("layer 0 has no mixer", StringComparison.Ordinal));
        Assert.Contains("model 'large'", Assert.Throws<ConfigurationException>(() => provider.GetRequiredKeyedService<LanguageModel>("large")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_registration_that_was_replaced_is_not_checked()
    {
        var services = new ServiceCollection();
        services.AddKeyedLanguageModel("one", Sizes(32)).AddAttention(attention => attention.HeadCount = 5);
        services.AddKeyedLanguageModel("one", Sizes(32)).AddAttention(attention => attention.HeadCount = 4);
        using var provider = services.BuildServiceProvider();
        Start(provider);
    }

    [Fact]
    public void A_size_that_is_missing_fails_at_the_start()
    {
        var services = new ServiceCollection();
        services.AddLanguageModel(model => model.VocabSize = 11).AddAttention();
        using var provider = services.BuildServiceProvider();
        Assert.Contains("LanguageModelOptions.", Assert.Throws<OptionsValidationException>(() => Start(provider)).Message, StringComparison.Ordinal);
    }

    private static void Start(IServiceProvider provider) => provider.GetRequiredService<IStartupValidator>().Validate();

    private static Action<LanguageModelOptions> Sizes(long modelDim) => model => (model.VocabSize, model.ModelDim, model.LayerCount) = (11, modelDim, 2);
}
