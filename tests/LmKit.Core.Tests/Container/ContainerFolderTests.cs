using LmKit.Conformance;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>A trained model that a container loads from a folder.</summary>
[NoTensorLeak]
public sealed class ContainerFolderTests : IDisposable
{
    private readonly TemporaryFolder temporary = new();

    private string Folder => temporary["model"];

    public void Dispose() => temporary.Dispose();

    [Fact]
    public void The_container_gives_the_folders_model_sampler_tokenizer_and_generator_and_disposes_the_model()
    {
        using var saved = Save(Folder, 256);
        var services = new ServiceCollection();
        services.AddLanguageModel(Folder);
        TorchSharp.Modules.Parameter parameter;
        using (var provider = services.BuildServiceProvider())
        {
            var live = LiveTensors.Count;
            Start(provider);
            Assert.Equal(live, LiveTensors.Count);
            var model = provider.GetRequiredService<LanguageModel>();
            Assert.Same(model, provider.GetRequiredService<ILanguageModel>());
            Assert.Equal(saved.Config, model.Config);
            parameter = model.get_parameter("ln_f.weight")!;
            Assert.True(parameter.Equals(saved.get_parameter("ln_f.weight")!));
            Assert.Same(provider.GetRequiredService<ISampler>(), provider.GetRequiredService<ISampler>());
            Assert.Same(ModelTokenizer.Bytes, provider.GetRequiredService<ModelTokenizer>());
            var generator = provider.GetRequiredService<TextGenerator>();
            Assert.Same(generator, provider.GetRequiredService<TextGenerator>());
            Assert.Equal(new TextGenerator(saved.CreateSampler(), ModelTokenizer.Bytes).Generate(["ab"]), generator.Generate(["ab"]));
        }
        Assert.True(parameter.IsInvalid);
    }

    [Fact]
    public async Task Folders_under_keys_stand_side_by_side_and_chat_through_the_containers_verbs()
    {
        using var small = Save(temporary["small"], 256);
        using var large = Save(temporary["large"], 300);
        var services = new ServiceCollection();
        services.AddKeyedLanguageModel("small", temporary["small"]);
        services.AddKeyedLanguageModel("large", temporary["large"]);
        services.AddKeyedChatClient("small", provider => provider.GetRequiredKeyedService<LanguageModel>("small").AsChatClient(provider.GetRequiredKeyedService<ModelTokenizer>("small"), options: new() { ModelId = "small" }));
        await using var provider = services.BuildServiceProvider();
        Start(provider);
        Assert.Equal(256, provider.GetRequiredKeyedService<LanguageModel>("small").VocabSize);
        Assert.Equal(300, provider.GetRequiredKeyedService<ILanguageModel>("large").VocabSize);
        Assert.NotSame(provider.GetRequiredKeyedService<TextGenerator>("small"), provider.GetRequiredKeyedService<TextGenerator>("large"));
        Assert.Null(provider.GetService<ILanguageModel>());
        Assert.Null(provider.GetService<TextGenerator>());
        Assert.Equal("small", (await provider.GetRequiredKeyedService<IChatClient>("small").GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 2 })).ModelId);
    }

    [Fact]
    public void Verbs_that_follow_change_what_is_loaded()
    {
        using var saved = Save(Folder, 256);
        var services = new ServiceCollection();
        var builder = services.AddLanguageModel(Folder).AddSlidingWindowMask(mask => mask.Window = 3).AddAutoregressiveSampler(sampler => sampler.TopK = 1);
        builder.Dtype = ScalarType.Float64;
        builder.Options.ResidualDropoutRate = 0; // as in a fresh model, not as in the folder
        using var provider = services.BuildServiceProvider();
        Start(provider);
        var model = provider.GetRequiredService<LanguageModel>();
        Assert.Equal(0.25, saved.Config.ReadOptions().ResidualDropoutRate);
        Assert.Equal(0, model.Config.ReadOptions().ResidualDropoutRate);
        Assert.Equal(0.125, model.Config.ReadOptions().EmbeddingDropoutRate);
        Assert.Single(model.Config.Components, entry => entry.Kind == "sliding_window");
        Assert.Equal(1, (int)model.Config.Components.Last(entry => entry.Slot == Slots.Sampler).Options["top_k"]!);
        using var wanted = saved.get_parameter("ln_f.weight")!.to(ScalarType.Float64);
        Assert.True(wanted.Equals(model.get_parameter("ln_f.weight")!));
    }

    [Fact]
    public void A_half_precision_folder_stays_so_unless_a_dtype_is_set()
    {
        using (var half = new LanguageModelBuilder { VocabSize = 256, ModelDim = 8, LayerCount = 1, Dtype = ScalarType.BFloat16 }.AddAttention().Build())
            half.Save(Folder);
        var services = new ServiceCollection();
        services.AddLanguageModel(Folder);
        services.AddKeyedLanguageModel("wide", Folder).Dtype = ScalarType.Float32;
        using var provider = services.BuildServiceProvider();
        Start(provider);
        Assert.Equal(ScalarType.BFloat16, provider.GetRequiredService<LanguageModel>().parameters().First().dtype);
        Assert.Equal(ScalarType.Float32, provider.GetRequiredKeyedService<LanguageModel>("wide").parameters().First().dtype);
    }

    [Theory]
    [InlineData("missing", "")]
    [InlineData("config", "config.json")]
    [InlineData("weights", "model.safetensors")]
    [InlineData("torn", "model.safetensors")]
    [InlineData("other", "model.safetensors")]
    [InlineData("tokenizer", "lmkit_tokenizer.json")]
    public void A_folder_that_is_missing_or_broken_fails_at_the_start_and_at_use_with_folder_and_key(string fault, string file)
    {
        Save(Folder, 256).Dispose();
        var path = Path.Combine(Folder, file);
        var services = new ServiceCollection();
        services.AddKeyedLanguageModel("tiny", Folder);
        using var provider = services.BuildServiceProvider();
        Start(provider);
        Break();
        var message = Assert.Throws<OptionsValidationException>(() => Start(Again())).Message;
        Assert.StartsWith("model 'tiny': ", message, StringComparison.Ordinal);
        Assert.Contains(path, message, StringComparison.Ordinal);
        Assert.Equal(1, message.Split("model 'tiny'").Length - 1);
        var atUse = Record.Exception(() => (object)(fault == "tokenizer" ? provider.GetRequiredKeyedService<TextGenerator>("tiny") : provider.GetRequiredKeyedService<LanguageModel>("tiny")));
        Assert.Equal(message, atUse!.Message);

        void Break()
        {
            switch (fault)
            {
                case "missing":
                    Directory.Delete(Folder, recursive: true);
                    break;
                case "weights":
                    File.Delete(path);
                    break;
                case "torn":
                    File.WriteAllBytes(path, File.ReadAllBytes(path)[..^3]);
                    break;
                case "other":
                    using (var other = Save(temporary["other"], 300))
                        File.Copy(Path.Combine(temporary["other"], file), path, overwrite: true);
                    break;
                default:
                    File.WriteAllText(path, "{");
                    break;
            }
        }

        ServiceProvider Again() => new ServiceCollection().AddKeyed("tiny", Folder).BuildServiceProvider();
    }

    [Fact]
    public void A_folder_that_is_only_changed_between_start_and_use_is_loaded_as_it_is_then()
    {
        Save(Folder, 256).Dispose();
        var services = new ServiceCollection();
        services.AddLanguageModel(Folder).AddAutoregressiveSampler(sampler => sampler.Temperature = 0);
        using var provider = services.BuildServiceProvider();
        Start(provider);
        using (var wider = Model(256, 16))
            wider.Save(Folder);
        Assert.Equal(16, provider.GetRequiredService<LanguageModel>().Config.ReadOptions().ModelDim);
    }

    [Fact]
    public void Weights_that_are_not_finite_are_refused_at_use_with_folder_key_and_name()
    {
        using (var saved = Save(Folder, 256))
        {
            using (no_grad())
                saved.get_parameter("ln_f.weight")!.fill_(double.NaN);
            saved.Save(Folder);
        }
        using var provider = new ServiceCollection().AddKeyed("tiny", Folder).BuildServiceProvider();
        var message = Assert.Throws<IOException>(() => provider.GetRequiredKeyedService<LanguageModel>("tiny")).Message;
        Assert.StartsWith($"model 'tiny': {Folder}", message, StringComparison.Ordinal);
        Assert.Contains("'ln_f.weight'", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tokenizer_of_more_ids_than_the_model_has_is_refused_with_both_numbers()
    {
        Save(Folder, 100).Dispose();
        using var provider = new ServiceCollection().AddKeyed("tiny", Folder).BuildServiceProvider();
        var message = Assert.Throws<OptionsValidationException>(() => Start(provider)).Message;
        Assert.Contains("VocabSize = 100", message, StringComparison.Ordinal);
        Assert.Contains("256 ids", message, StringComparison.Ordinal);
        Assert.Equal(message, Assert.Throws<IOException>(() => provider.GetRequiredKeyedService<TextGenerator>("tiny")).Message);
    }

    [Fact]
    public void A_folder_without_a_tokenizer_gives_the_model_and_takes_the_apps_tokenizer()
    {
        using (var saved = Model(256))
            saved.Save(Folder);
        var services = new ServiceCollection();
        services.AddLanguageModel(Folder);
        using (var provider = services.BuildServiceProvider())
        {
            Start(provider);
            Assert.NotNull(provider.GetRequiredService<LanguageModel>());
            var message = Assert.Throws<IOException>(provider.GetRequiredService<TextGenerator>).Message;
            Assert.StartsWith($"the model without a key: {Folder}: the folder holds no tokenizer", message, StringComparison.Ordinal);
        }
        foreach (var isBefore in new[] { true, false })
        {
            services = new ServiceCollection();
            if (isBefore)
                services.AddSingleton(ModelTokenizer.Bytes);
            services.AddLanguageModel(Folder);
            if (!isBefore)
                services.AddSingleton(ModelTokenizer.Bytes);
            using var provider = services.BuildServiceProvider();
            Assert.NotNull(provider.GetRequiredService<TextGenerator>());
        }
    }

    [Fact]
    public void The_same_folder_twice_under_one_key_is_refused_with_both_names()
    {
        var services = new ServiceCollection();
        services.AddKeyedLanguageModel("tiny", Folder);
        services.AddKeyedLanguageModel("other", Folder);
        services.AddLanguageModel(Folder);
        var message = Assert.Throws<InvalidOperationException>(() => services.AddKeyedLanguageModel("tiny", Path.Combine(Folder, ".", "") + Path.DirectorySeparatorChar)).Message;
        Assert.Contains($"'{Folder}'", message, StringComparison.Ordinal);
        Assert.Contains("model 'tiny'", message, StringComparison.Ordinal);
        Assert.Contains("the model without a key", Assert.Throws<InvalidOperationException>(() => services.AddLanguageModel(Folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_registration_under_the_key_replaces_the_folder_wholly()
    {
        Save(Folder, 256).Dispose();
        var services = new ServiceCollection();
        services.AddLanguageModel(Folder);
        services.AddLanguageModel(model => (model.VocabSize, model.ModelDim, model.LayerCount) = (11, 8, 1)).AddAttention();
        using (var provider = services.BuildServiceProvider())
        {
            Assert.Equal(11, Assert.Single(provider.GetServices<LanguageModel>()).VocabSize);
            Assert.Null(provider.GetService<ModelTokenizer>());
            Assert.Null(provider.GetService<TextGenerator>());
        }
        services.AddLanguageModel(Folder);
        using (var provider = services.BuildServiceProvider())
        {
            Start(provider);
            Assert.Equal(256, Assert.Single(provider.GetServices<LanguageModel>()).VocabSize);
        }
    }

    private static void Start(IServiceProvider provider) => provider.GetRequiredService<IStartupValidator>().Validate();

    private static LanguageModel Save(string folder, long vocabSize)
    {
        var model = Model(vocabSize);
        model.Save(folder, TokenizerFiles.SaveBytes);
        return model;
    }

    private static LanguageModel Model(long vocabSize, long modelDim = 8)
    {
        var builder = new LanguageModelBuilder { VocabSize = vocabSize, ModelDim = modelDim, LayerCount = 1 };
        (builder.Options.ResidualDropoutRate, builder.Options.EmbeddingDropoutRate) = (0.25, 0.125);
        return builder.AddAttention(attention => attention.HeadCount = 2).AddAutoregressiveSampler(sampler => sampler.Temperature = 0).Build();
    }
}

internal static class KeyedFolder
{
    internal static IServiceCollection AddKeyed(this IServiceCollection services, string key, string folder)
    {
        _ = services.AddKeyedLanguageModel(key, folder);
        return services;
    }
}
