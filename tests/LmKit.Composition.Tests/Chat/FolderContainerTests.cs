using LmKit.Conformance;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace LmKit.Composition.Tests;

/// <summary>Chats of an app whose container takes models from folders.</summary>
[NoTensorLeak]
public sealed class FolderContainerTests
{
    [Fact]
    public async Task A_container_chats_as_the_folder_does()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel", generation: """{"eos_token_id": 7, "max_new_tokens": 5}""");
        using var published = PublishedModel.Load(folder.Path);
        using var alone = published.AsChatClient();
        var services = new ServiceCollection();
        services.AddKeyedLanguageModel("chat", folder.Path);
        services.AddKeyedChatClient("chat", provider => provider.GetRequiredKeyedService<LanguageModel>("chat")
            .AsChatClient(provider.GetRequiredKeyedService<ModelTokenizer>("chat"), provider.GetRequiredKeyedService<IChatFormat>("chat")));
        await using var provider = services.BuildServiceProvider();
        Start(provider);
        var options = new ChatOptions { MaxOutputTokens = 10 };

        Assert.Equal((await alone.GetResponseAsync("Hello", options)).Text, (await provider.GetRequiredKeyedService<IChatClient>("chat").GetResponseAsync("Hello", options)).Text);
        Assert.Equal(5, (await provider.GetRequiredKeyedService<IChatClient>("chat").GetResponseAsync("Hello")).Usage!.OutputTokenCount);
        Assert.Contains(7L, provider.GetRequiredKeyedService<IChatFormat>("chat").StopTokens);
        Assert.Equal(published.CreateTextGenerator().Generate(["Hello"]), provider.GetRequiredKeyedService<TextGenerator>("chat").Generate(["Hello"]));
    }

    [Fact]
    public async Task An_apps_own_format_stays()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel");
        var own = new PlainChatFormat(TokenizerFiles.Load(folder.Path));
        var services = new ServiceCollection();
        services.AddSingleton<IChatFormat>(own);
        services.AddLanguageModel(folder.Path);
        await using var provider = services.BuildServiceProvider();

        Assert.Same(own, provider.GetRequiredService<IChatFormat>());
    }

    [Fact]
    public async Task A_model_of_ours_chats_with_the_text_files_that_lie_beside_it()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel");
        using var own = new TemporaryFolder();
        using var published = PublishedModel.Load(folder.Path);
        published.Model.Save(own.Path);
        foreach (var file in new[] { "tokenizer.json", "tokenizer_config.json" })
            File.Copy(folder.PathOf(file), Path.Combine(own.Path, file));
        using var model = LanguageModel.Load(own.Path);
        using var client = model.AsChatClient(own.Path);
        using var expected = published.AsChatClient();
        var options = new ChatOptions { MaxOutputTokens = 10, Temperature = 0 };

        Assert.Equal((await expected.GetResponseAsync("Hello", options)).Text, (await client.GetResponseAsync("Hello", options)).Text);
    }

    public static TheoryData<string, string, string> Broken => new()
    {
        { "chat_template.jinja", "{% for m in messages %}", "chat_template.jinja" },
        { "chat_template.jinja", "{% nothing %}", "nothing" },
        { "tokenizer_config.json", """{"chat_template": 5}""", "chat_template" },
        { "tokenizer_config.json", """{"bos_token": "<nobody>"}""", "bos_token" },
        { "tokenizer.json", "{}", "tokenizer.json" },
        { "generation_config.json", """{"eos_token_id": "seven"}""", "eos_token_id" },
        { "generation_config.json", """{"eos_token_id": -3}""", "eos_token_id" },
        { "generation_config.json", """{"eos_token_id": 99999}""", "eos_token_id" },
        { "generation_config.json", """{"max_new_tokens": 0}""", "max_new_tokens" },
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public void A_folder_whose_text_is_broken_fails_at_the_start_in_words(string file, string text, string named)
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel");
        File.WriteAllText(folder.PathOf(file), text);
        var services = new ServiceCollection();
        services.AddKeyedLanguageModel("chat", folder.Path);
        using var provider = services.BuildServiceProvider();
        var message = Assert.Throws<OptionsValidationException>(() => Start(provider)).Message;

        Assert.All(["'chat'", folder.Path, file, named], part => Assert.Contains(part, message, StringComparison.Ordinal));
    }

    [Fact]
    public void Stop_tokens_outside_the_vocabulary_fail_at_the_start_whoever_draws()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel");
        File.WriteAllText(folder.PathOf("generation_config.json"), """{"eos_token_id": 99999}""");
        var services = new ServiceCollection();
        _ = services.AddLanguageModel(folder.Path).AddAutoregressiveSampler();
        using var provider = services.BuildServiceProvider();

        Assert.Contains("99999", Assert.Throws<OptionsValidationException>(() => Start(provider)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_folder_of_further_templates_is_no_template()
    {
        using var folder = new ChatFolder("gpt2-base", "gpt2-bytelevel");
        _ = Directory.CreateDirectory(folder.PathOf("additional_chat_templates"));

        Assert.False(ChatTemplate.IsIn(folder.Path));
    }

    private static void Start(IServiceProvider provider) => provider.GetRequiredService<IStartupValidator>().Validate();
}
