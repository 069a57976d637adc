using LmKit.Conformance;
using Microsoft.Extensions.DependencyInjection;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public sealed class LanguageModelServiceCollectionTests
{
    [Fact]
    public void The_container_gives_one_model_under_both_types_and_one_sampler_and_disposes_them()
    {
        var services = new ServiceCollection();
        services.AddLanguageModel(Size(8)).AddAttention().AddAutoregressiveSampler(sampler => sampler.Temperature = 0);
        TorchSharp.Modules.Parameter parameter;
        using (var provider = services.BuildServiceProvider())
        {
            var model = provider.GetRequiredService<LanguageModel>();
            Assert.Same(model, provider.GetRequiredService<ILanguageModel>());
            Assert.Same(provider.GetRequiredService<ISampler>(), provider.GetRequiredService<ISampler>());
            parameter = model.parameters().First();
            Assert.False(parameter.IsInvalid);
        }
        Assert.True(parameter.IsInvalid);
    }

    [Fact]
    public void Verbs_after_registration_count_since_the_model_is_built_on_first_use()
    {
        var services = new ServiceCollection();
        var builder = services.AddLanguageModel(Size(8));
        using var provider = services.BuildServiceProvider();
        builder.AddAttention(attention => attention.HeadCount = 2);
        Assert.Single(provider.GetRequiredService<LanguageModel>().Config.Components, entry => entry.Slot == Slots.Mixer);
    }

    [Fact]
    public void Registering_again_wins_over_the_earlier_registration()
    {
        var services = new ServiceCollection();
        services.AddLanguageModel(Size(8)).AddAttention();
        services.AddLanguageModel(Size(16)).AddAttention();
        using var provider = services.BuildServiceProvider();
        Assert.Equal(16, provider.GetRequiredService<LanguageModel>().Config.ReadOptions().ModelDim);
        Assert.NotNull(provider.GetRequiredService<ISampler>());
    }

    [Fact]
    public void Several_models_live_side_by_side_under_their_names()
    {
        var services = new ServiceCollection();
        services.AddKeyedLanguageModel("small", Size(8)).AddAttention();
        services.AddKeyedLanguageModel("large", Size(16)).AddAttention();
        using var provider = services.BuildServiceProvider();
        Assert.Equal(8, provider.GetRequiredKeyedService<LanguageModel>("small").Config.ReadOptions().ModelDim);
        Assert.Equal(16, provider.GetRequiredKeyedService<LanguageModel>("large").Config.ReadOptions().ModelDim);
        Assert.NotSame(provider.GetRequiredKeyedService<ISampler>("small"), provider.GetRequiredKeyedService<ISampler>("large"));
        Assert.Null(provider.GetService<ILanguageModel>());
    }

    private static Action<LanguageModelOptions> Size(long modelDim) => model =>
    {
        model.VocabSize = 11;
        model.ModelDim = modelDim;
        model.LayerCount = 1;
    };
}
