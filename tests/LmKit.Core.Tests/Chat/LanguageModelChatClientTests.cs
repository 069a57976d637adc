using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace LmKit.Core.Tests;

public sealed class LanguageModelChatClientTests : IDisposable
{
    private readonly LanguageModel model;

    public LanguageModelChatClientTests()
    {
        var builder = new LanguageModelBuilder { VocabSize = 256, ModelDim = 8, LayerCount = 1 }.AddAttention();
        builder.Options.InitializerRange = 0.5;
        model = builder.Build();
        model.eval();
    }

    public void Dispose() => model.Dispose();

    [Fact]
    public async Task Usage_counts_ids_and_a_full_answer_ends_by_length()
    {
        using var client = Client();
        var answer = await client.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 12, Seed = 1 });

        Assert.Equal(ChatFinishReason.Length, answer.FinishReason);
        Assert.Equal((5L, 12L, 17L), (answer.Usage!.InputTokenCount, answer.Usage.OutputTokenCount, answer.Usage.TotalTokenCount));
        Assert.Equal("lmkit", answer.ModelId);
        using var brief = model.AsChatClient(ModelTokenizer.Bytes, options: new LanguageModelChatOptions { Defaults = new() { MaxOutputTokens = 7 } });
        Assert.Equal(7, (await brief.GetResponseAsync("hello")).Usage!.OutputTokenCount);
        Assert.Equal(0, (await client.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 0 })).Usage!.OutputTokenCount);
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_text_beside_other_answers()
    {
        using var client = model.AsChatClient(ModelTokenizer.Bytes, options: new LanguageModelChatOptions { MaxParallelAnswers = 4 });
        var options = new ChatOptions { MaxOutputTokens = 10, Seed = 3 };
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(index => client.GetResponseAsync(index % 2 == 0 ? "hello" : "other", new ChatOptions { MaxOutputTokens = 10, Seed = 3 })));
        var alone = await client.GetResponseAsync("hello", options);

        Assert.All(answers.Where((_, index) => index % 2 == 0), answer => Assert.Equal(alone.Text, answer.Text));
        Assert.NotEqual(alone.Text, (await client.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 10, Seed = 4 })).Text);
    }

    [Fact]
    public async Task A_stop_sequence_ends_the_answer_and_no_part_of_it_is_shown()
    {
        using var client = Client();
        var whole = (await client.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 24, Seed = 5 })).Text;
        var stop = whole[8..11];
        var answer = await client.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 24, Seed = 5, StopSequences = [stop] });

        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], answer.Text);
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
    }

    [Fact]
    public async Task A_stop_token_ends_the_answer()
    {
        var first = FirstId("hello");
        using var client = model.AsChatClient(new ModelTokenizer(new ByteTokenizer(), 256, (int)first), options: new LanguageModelChatOptions { Defaults = new() { Temperature = 0 } });
        var answer = await client.GetResponseAsync("hello");

        Assert.Equal((ChatFinishReason.Stop, "", 1L), (answer.FinishReason, answer.Text, answer.Usage!.OutputTokenCount));

        long FirstId(string text)
        {
            using var prompt = TorchSharp.torch.tensor(text.Select(letter => (long)letter).ToArray(), [1, text.Length]);
            using var grid = new AutoregressiveSampler(model, new AutoregressiveSamplerOptions { Temperature = 0 }).Sample(prompt, 1).Last();
            return (long)grid[0, -1];
        }
    }

    [Fact]
    public async Task Streaming_gives_one_answer_in_parts_with_usage_and_reason_last()
    {
        using var client = Client();
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync("hello", new ChatOptions { MaxOutputTokens = 9, Seed = 1 }))
            updates.Add(update);

        Assert.Single(updates.Select(update => (update.ResponseId, update.MessageId)).Distinct());
        Assert.All(updates.SkipLast(1), update => Assert.Null(update.FinishReason));
        Assert.Equal(ChatFinishReason.Length, updates[^1].FinishReason);
        Assert.IsType<UsageContent>(Assert.Single(updates[^1].Contents));
        Assert.Equal((await client.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 9, Seed = 1 })).Text, string.Concat(updates.Select(update => update.Text)));
    }

    [Fact]
    public async Task Cancelling_stops_within_a_token_and_frees_the_place()
    {
        using var client = Client();
        using var cancel = new CancellationTokenSource();
        var count = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var update in client.GetStreamingResponseAsync("hello", new ChatOptions { MaxOutputTokens = 100_000 }, cancel.Token))
            {
                if (++count == 3)
                    await cancel.CancelAsync();
            }
        });
        Assert.Equal(3, count);
        Assert.Equal(2, (await client.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 2 })).Usage!.OutputTokenCount);
    }

    [Fact]
    public async Task A_hundred_chats_leave_no_tensor_behind()
    {
        using var client = Client();
        await client.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 2 });
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var before = TorchSharp.torch.Tensor.TotalCount;
        for (var chat = 0; chat < 100; chat++)
            await client.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 2, Seed = chat, PresencePenalty = 0.5f, TopK = 5 });
        // Without a collection in between: what is left must have been freed, not forgotten. Earlier tests' own may still go meanwhile.
        Assert.InRange(TorchSharp.torch.Tensor.TotalCount, 0, before);
    }

    [Fact]
    public async Task Filters_of_the_defaults_apply_to_every_answer()
    {
        LogitFilter onlyA = (logits, _, _) =>
        {
            using var a = TorchSharp.torch.zeros(256, dtype: TorchSharp.torch.ScalarType.Bool);
            a[(long)'a'] = TorchSharp.torch.tensor(true);
            return TorchSharp.torch.where(a, logits, TorchSharp.torch.full_like(logits, double.NegativeInfinity));
        };
        using var client = model.AsChatClient(ModelTokenizer.Bytes, options: new LanguageModelChatOptions { Defaults = new() { Filters = [onlyA] } });
        Assert.Equal("aaaa", (await client.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 4 })).Text);
    }

    [Fact]
    public async Task The_container_gives_one_client_for_each_name()
    {
        var services = new ServiceCollection();
        services.AddLanguageModel(options => (options.VocabSize, options.ModelDim, options.LayerCount) = (256, 8, 1)).AddAttention();
        services.AddKeyedLanguageModel("other", options => (options.VocabSize, options.ModelDim, options.LayerCount) = (256, 8, 1)).AddAttention();
        services.AddChatClient(provider => provider.GetRequiredService<LanguageModel>().AsChatClient(ModelTokenizer.Bytes, options: new() { ModelId = "first" }));
        services.AddKeyedChatClient("other", provider => provider.GetRequiredKeyedService<LanguageModel>("other").AsChatClient(ModelTokenizer.Bytes, options: new() { ModelId = "second" }));
        using var provider = services.BuildServiceProvider();

        var client = provider.GetRequiredService<IChatClient>();

        Assert.Same(client, provider.GetRequiredService<IChatClient>());
        Assert.Same(provider.GetRequiredService<ILanguageModel>(), client.GetService(typeof(ILanguageModel)));
        Assert.Equal("first", (await client.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 1 })).ModelId);
        Assert.Equal("second", (await provider.GetRequiredKeyedService<IChatClient>("other").GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 1 })).ModelId);
    }

    [Fact]
    public async Task What_the_model_cannot_do_is_refused_by_name()
    {
        using var client = Client();
        await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync("a", new ChatOptions { ResponseFormat = ChatResponseFormat.Json }));
        await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync("a", new ChatOptions { ToolMode = ChatToolMode.RequireAny }));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => client.GetResponseAsync("a", new ChatOptions { TopP = 2 }));
        await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync([]));
    }

    [Fact]
    public async Task Instructions_stand_before_the_messages_and_options_stay_the_callers()
    {
        using var client = Client();
        var options = new ChatOptions { Instructions = "abc", MaxOutputTokens = 1 };
        Assert.Equal(9, (await client.GetResponseAsync("hello", options)).Usage!.InputTokenCount);
        Assert.Equal(("abc", 1), (options.Instructions, options.MaxOutputTokens));
    }

    [Fact]
    public void Services_are_found_by_their_types()
    {
        using var client = Client();
        Assert.Same(model, client.GetService(typeof(ILanguageModel)));
        Assert.Same(client, client.GetService(typeof(IChatClient)));
        Assert.Equal("lmkit", ((ChatClientMetadata)client.GetService(typeof(ChatClientMetadata))!).ProviderName);
        Assert.Null(client.GetService(typeof(string)));
        Assert.Null(client.GetService(typeof(ILanguageModel), "key"));
    }

    private IChatClient Client() => model.AsChatClient(ModelTokenizer.Bytes);
}
