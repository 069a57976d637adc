using System.Text;
using LmKit.Conformance;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>Verbs of the packages on what a container registered.</summary>
[NoTensorLeak]
public sealed class ContainerVerbTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("lmkit-container-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_mask_and_an_adapter_added_to_a_folder_are_what_they_are_when_it_is_loaded_by_hand()
    {
        Save();
        var services = new ServiceCollection();
        services.AddKeyedLanguageModel("tuned", folder, kinds => kinds.AddStructured()).AddLambdaMask(mask => (mask.GlobalLength, mask.LocalLength) = (1, 2)).UseLora(lora => lora.Rank = 2);
        using var provider = services.BuildServiceProvider();
        Start(provider);
        var model = provider.GetRequiredKeyedService<LanguageModel>("tuned");
        using var byHand = LanguageModel.Load(folder, kinds => kinds.AddStructured(), change => change.AddLambdaMask(mask => (mask.GlobalLength, mask.LocalLength) = (1, 2)).UseLora(lora => lora.Rank = 2));
        using var plain = LanguageModel.Load(folder, kinds => kinds.AddStructured());
        Assert.Equal(byHand.Config, model.Config);
        Assert.NotEmpty(LoraAdapters.Of(model));
        using var frozen = no_grad();
        using var tokens = tensor(new long[] { 1, 2, 3, 4, 5, 6 }, [1, 6]);
        using var ours = model.call(tokens, null);
        using var theirs = byHand.call(tokens, null);
        using var unmasked = plain.call(tokens, null);
        Assert.True(ours.Equals(theirs));
        Assert.False(ours.allclose(unmasked));
    }

    [Fact]
    public void A_folder_whose_kinds_were_not_registered_names_package_folder_and_key()
    {
        Save();
        var services = new ServiceCollection();
        services.AddKeyedLanguageModel("tuned", folder);
        using var provider = services.BuildServiceProvider();
        var message = Assert.Throws<OptionsValidationException>(() => Start(provider)).Message;
        Assert.StartsWith($"model 'tuned': {folder}", message, StringComparison.Ordinal);
        Assert.Contains("LmKit.Structured", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_change_that_would_drop_weights_fails_at_the_start()
    {
        Save();
        var services = new ServiceCollection();
        services.AddLanguageModel(folder, kinds => kinds.AddStructured()).AddMonarchLinear(monarch => monarch.BlockCount = 2);
        using var provider = services.BuildServiceProvider();
        Assert.Contains("the change leaves no place for", Assert.Throws<OptionsValidationException>(() => Start(provider)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_section_names_the_kinds_of_every_package()
    {
        const string Section = """
            { "VocabSize": 11, "ModelDim": 8, "LayerCount": 2, "Components": [
                { "Kind": "h3", "Options": { "StateDim": 4 } },
                { "Kind": "attention", "Layers": [1], "Options": { "HeadCount": 2 } },
                { "Kind": "monarch", "Options": { "BlockCount": 2 } },
                { "Kind": "lambda", "Options": { "GlobalLength": 1, "LocalLength": 4 } } ] }
            """;
        var services = new ServiceCollection();
        services.AddLanguageModel(new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(Section))).Build(), kinds => kinds.AddSsm().AddStructured().AddLongContext()).UseLora(lora => lora.Rank = 2);
        using var provider = services.BuildServiceProvider();
        Start(provider);
        using var expected = new LanguageModelBuilder { VocabSize = 11, ModelDim = 8, LayerCount = 2 }
            .AddH3(h3 => h3.StateDim = 4).AddAttention(attention => attention.HeadCount = 2, layers: [1]).AddMonarchLinear(monarch => monarch.BlockCount = 2)
            .AddLambdaMask(mask => (mask.GlobalLength, mask.LocalLength) = (1, 4)).UseLora(lora => lora.Rank = 2).Build();
        Assert.Equal(expected.Config, provider.GetRequiredService<LanguageModel>().Config);
    }

    private static void Start(IServiceProvider provider) => provider.GetRequiredService<IStartupValidator>().Validate();

    private void Save()
    {
        using var model = new LanguageModelBuilder { VocabSize = 11, ModelDim = 8, LayerCount = 2 }.AddAttention(attention => attention.HeadCount = 2).AddMonarchLinear(monarch => monarch.BlockCount = 2, sites: ["mlp.*"]).Build();
        model.Save(folder);
    }
}
