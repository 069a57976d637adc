using System.Text.Json.Nodes;
using LmKit.Conformance;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>What an answer from a folder can consist of, and how it and the chat end.</summary>
[NoTensorLeak]
public sealed class FolderAnswerTests
{
    [Fact]
    public void A_chat_refuses_stop_tokens_that_no_answer_can_end_at_whoever_draws_it()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel");
        File.WriteAllText(folder.PathOf("generation_config.json"), """{"eos_token_id": [7, 99999]}""");
        using var published = PublishedModel.Load(folder.Path, builder => builder.AddAutoregressiveSampler());

        foreach (var use in new Func<IChatClient>[] { () => published.AsChatClient(), () => published.Model.AsChatClient(folder.Path) })
            Assert.All(["generation_config.json", "eos_token_id", "99999", "correct it"], part => Assert.Contains(part, Assert.Throws<ConfigurationException>(use).Message, StringComparison.Ordinal));
        File.WriteAllText(folder.PathOf("generation_config.json"), """{"eos_token_id": []}""");
        using var client = published.AsChatClient();
    }

    [Fact]
    public async Task An_id_that_the_tokenizer_leaves_out_between_its_own_is_never_drawn()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel", vocabSize: 2_000);
        folder.Edit("tokenizer.json", root => root["added_tokens"]!.AsArray().Add(new JsonObject
        {
            ["id"] = 1_990,
            ["content"] = "<|far|>",
            ["special"] = false,
            ["normalized"] = false,
            ["lstrip"] = false,
            ["rstrip"] = false,
            ["single_word"] = false,
        }));
        using var published = PublishedModel.Load(folder.Path);
        var known = published.LoadTokenizer().Encode("a")[0];
        using var client = published.AsChatClient(new LanguageModelChatOptions { Defaults = { Filters = [Wants] } });

        Assert.Equal("aaa", (await client.GetResponseAsync("Hello", new ChatOptions { Temperature = 0, MaxOutputTokens = 3 })).Text);
        Assert.Equal(["aaa"], published.CreateTextGenerator().Generate(["Hello"], new GenerationOptions { Temperature = 0, MaxOutputTokens = 3, Filters = [Wants] }));

        Tensor Wants(Tensor logits, Tensor tokens, long promptLength)
        {
            using var scope = NewDisposeScope();
            var wanted = logits.clone();
            _ = wanted.select(1, 1_500).fill_(2_000);
            _ = wanted.select(1, known).fill_(1_000);
            return wanted.MoveToOuterDisposeScope();
        }
    }

    [Fact]
    public void An_id_beyond_the_tokenizers_is_never_drawn_by_a_folders_generator()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel");
        using var published = PublishedModel.Load(folder.Path);
        var tokenizer = published.LoadTokenizer();
        var options = new GenerationOptions { Temperature = 0, MaxOutputTokens = 3, Filters = [Wants] };
        var services = new ServiceCollection();
        services.AddLanguageModel(folder.Path);
        using var provider = services.BuildServiceProvider();

        Assert.Equal(["\ufffd\ufffd\ufffd"], new TextGenerator(published.Model.CreateSampler(), tokenizer).Generate(["Hello"], options));
        Assert.Equal(["aaa"], published.CreateTextGenerator().Generate(["Hello"], options));
        Assert.Equal(["aaa", "aaa"], provider.GetRequiredService<TextGenerator>().Generate(["Hello", "there"], options));

        Tensor Wants(Tensor logits, Tensor tokens, long promptLength)
        {
            using var scope = NewDisposeScope();
            var wanted = logits.clone();
            _ = wanted.select(1, tokenizer.VocabSize).fill_(2_000);
            _ = wanted.select(1, tokenizer.Encode("a")[0]).fill_(1_000);
            return wanted.MoveToOuterDisposeScope();
        }
    }

    [Fact]
    public async Task A_chat_that_waits_for_a_line_can_be_stopped()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel");
        using var published = PublishedModel.Load(folder.Path);
        using var client = published.AsChatClient();
        using var input = new WaitingReader();
        using var source = new CancellationTokenSource();
        var chat = new FolderChat.FolderChat(client, null, TextWriter.Null).RunAsync(input, TextWriter.Null, source.Token);
        await source.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => chat);
        Assert.False(input.IsOver);
        input.End();
    }

    // As a console's, whose asynchronous reads wait too.
    private sealed class WaitingReader : TextReader
    {
        private readonly TaskCompletionSource end = new();

        internal bool IsOver { get; private set; }

        internal void End() => end.SetResult();

        public override string? ReadLine()
        {
            _ = end.Task.Wait(TimeSpan.FromSeconds(60));
            IsOver = true;
            return null;
        }

        public override ValueTask<string?> ReadLineAsync(CancellationToken cancellationToken) => new(ReadLine());
    }
}
