using LmKit.Conformance;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>What a published layout can say is saved in it; what it cannot is refused by name. Nothing is destroyed, and a container opens such folders.</summary>
[NoTensorLeak]
public sealed class SavedLayoutTests : IDisposable
{
    private readonly TemporaryFolder temporary = new();

    public void Dispose()
    {
        FolderCommit.Watcher = null;
        temporary.Dispose();
    }

    [Fact]
    public void A_model_changed_beyond_the_layout_is_refused_by_the_name_of_the_component()
    {
        foreach (var (change, words) in ((Action<LanguageModelBuilder>, string[])[])
        [
            (builder => builder.AddSlidingWindowMask(mask => mask.Window = 5), ["mask 'sliding_window' of LmKit.Core"]),
            (builder => builder.AddRotary(rotary => rotary.Base = 777), ["positions 'rotary'", "777"]),
            (builder => builder.AddRmsNorm(norm => norm.Epsilon = 0.5), ["the norm 'rms", "0.5"]),
        ])
        {
            using var published = PublishedModel.Load(PublishedFolders.Of("llama-gqa"), change);
            var error = Assert.Throws<ConfigurationException>(() => published.Save(temporary["out"]));

            Assert.All([.. words, "layout of llama", "LanguageModel.Save"], word => Assert.Contains(word, error.Message, StringComparison.Ordinal));
            Assert.Empty(temporary.Names);
            published.Model.Save(temporary["own"]);
            LanguageModel.Load(temporary["own"]).Dispose();
            Directory.Delete(temporary["own"], recursive: true);
        }
    }

    [Fact]
    public void Another_size_is_refused_by_its_name()
    {
        var layout = PublishedLayout.Read(PublishedFolders.Of("llama-gqa"));
        var builder = layout.CreateBuilder();
        builder.VocabSize += 3;
        using var model = builder.Build();
        var error = Assert.Throws<ConfigurationException>(() => layout.Save(temporary["out"], model));

        Assert.All(["vocab_size = 64", "61"], word => Assert.Contains(word, error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_sampler_a_dictionary_and_what_training_uses_do_not_count()
    {
        using (var published = PublishedModel.Load(PublishedFolders.Of("llama-gqa"), builder => builder.AddAutoregressiveSampler(sampler => sampler.Temperature = 0.5)))
            published.Save(temporary["out"]);
        PublishedModel.Load(temporary["out"]).Dispose();
    }

    [Fact]
    public void A_disposed_model_is_not_saved()
    {
        using var temporary = new TemporaryFolder();
        var folder = PublishedFolders.Copy("llama-gqa", temporary["m"]);
        var weights = Path.Combine(folder, "model.safetensors");
        var before = File.ReadAllBytes(weights);
        var published = PublishedModel.Load(folder);
        published.Dispose();

        Assert.Throws<ObjectDisposedException>(() => published.Save(folder));
        Assert.Throws<ObjectDisposedException>(() => published.Layout.Save(folder, published.Model));
        Assert.Equal(before, File.ReadAllBytes(weights));
    }

    [Fact]
    public void Files_of_somebody_else_are_not_replaced()
    {
        using var published = PublishedModel.Load(PublishedFolders.Of("llama-gqa"));
        Directory.CreateDirectory(temporary["app"]);
        File.WriteAllText(Path.Combine(temporary["app"], "config.json"), "{ \"name\": \"mine\" }");
        Assert.Contains("config.json", Assert.Throws<IOException>(() => published.Save(temporary["app"])).Message, StringComparison.Ordinal);

        Directory.CreateDirectory(temporary["weights"]);
        File.WriteAllText(Path.Combine(temporary["weights"], "model.safetensors"), "mine");
        Assert.Contains("model.safetensors", Assert.Throws<IOException>(() => published.Save(temporary["weights"])).Message, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(Path.Combine(temporary["weights"], "model.safetensors")));

        // Another model's way to draw text would become this one's.
        var other = PublishedFolders.Copy("gemma3-text", temporary["other"]);
        Assert.Contains("generation_config.json", Assert.Throws<IOException>(() => published.Save(other)).Message, StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(Path.Combine(PublishedFolders.Of("gemma3-text"), "model.safetensors")), File.ReadAllBytes(Path.Combine(other, "model.safetensors")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_save_that_fails_leaves_what_was_there(bool isThere)
    {
        using var published = PublishedModel.Load(PublishedFolders.Of("llama-gqa"));
        if (isThere)
            PublishedFolders.Copy("pythia-parallel", temporary["out"]);
        var before = isThere ? Contents() : [];
        Assert.Throws<OperationCanceledException>(() => published.Save(temporary["out"], _ => throw new OperationCanceledException()));
        Assert.Equal(before, isThere ? Contents() : temporary.Names);
        FolderCommit.Watcher = step =>
        {
            if (step == "filled")
                throw new IOException("No space left on device");
        };
        Assert.Contains("No space", Assert.Throws<IOException>(() => published.Save(temporary["out"])).Message, StringComparison.Ordinal);
        FolderCommit.Watcher = null;
        Assert.Equal(before, isThere ? Contents() : temporary.Names);

        string[] Contents() => [.. Directory.GetFiles(temporary["out"]).Order().Select(file => $"{Path.GetFileName(file)} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file)))}")];
    }

    [Fact]
    public void A_container_opens_a_published_folder_and_checks_it_at_the_start()
    {
        var folder = PublishedFolders.Copy("gpt2-base-bf16", temporary["m"]);
        var services = new ServiceCollection();
        services.AddLanguageModel(folder).AddAutoregressiveSampler(sampler => sampler.Temperature = 0);
        using (var provider = services.BuildServiceProvider())
        {
            var live = LiveTensors.Count;
            provider.GetRequiredService<IStartupValidator>().Validate();
            Assert.Equal(live, LiveTensors.Count);
            var model = provider.GetRequiredService<LanguageModel>();
            Assert.All(model.parameters().Where(parameter => parameter.dim() > 1), parameter => Assert.Equal(ScalarType.BFloat16, parameter.dtype));
        }
        File.WriteAllText(Path.Combine(folder, "config.json"), File.ReadAllText(Path.Combine(folder, "config.json")).Replace("\"n_layer\": 3", "\"n_layer\": 4", StringComparison.Ordinal));
        using var second = services.BuildServiceProvider();
        var error = Assert.Throws<OptionsValidationException>(() => second.GetRequiredService<IStartupValidator>().Validate());
        Assert.Contains("h.3.attn.c_attn.weight", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_configuration_that_asks_for_far_more_than_the_weights_hold_is_refused_before_memory_is_taken()
    {
        var folder = PublishedFolders.Copy("llama-gqa", temporary["m"]);
        File.WriteAllText(Path.Combine(folder, "config.json"), File.ReadAllText(Path.Combine(folder, "config.json")).Replace("\"vocab_size\": 61", "\"vocab_size\": 2000000000", StringComparison.Ordinal));
        var error = Assert.Throws<ConfigurationException>(() => PublishedModel.Load(folder));

        Assert.All([Path.Combine(folder, "config.json"), "model.safetensors"], word => Assert.Contains(word, error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_way_to_draw_text_that_is_not_served_is_refused_unless_the_change_brings_a_sampler()
    {
        var folder = PublishedFolders.Copy("llama-gqa", temporary["m"]);
        File.WriteAllText(Path.Combine(folder, "generation_config.json"), "{ \"num_beams\": 4 }");
        var error = Assert.Throws<ConfigurationException>(() => PublishedModel.Load(folder));
        Assert.All(["generation_config.json", "num_beams"], word => Assert.Contains(word, error.Message, StringComparison.Ordinal));

        PublishedModel.Load(folder, builder => builder.AddAutoregressiveSampler()).Dispose();
    }

    [Fact]
    public void Weights_are_loaded_as_floating_point_numbers_only() =>
        Assert.Contains("Int64", Assert.Throws<ArgumentException>(() => PublishedModel.Load(PublishedFolders.Of("llama-gqa"), dtype: ScalarType.Int64)).Message, StringComparison.Ordinal);
}
