using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using TorchSharp;

namespace LmKit.Core.Tests;

/// <summary>Readers who stop reading, and clients and models that go away during an answer.</summary>
public sealed class ChatReaderTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task Readers_that_stop_reading_hold_up_nobody(int slots)
    {
        using var model = FixedModel.OfLetters(1, 1);
        using var client = model.AsChatClient(ModelTokenizer.Bytes, options: new LanguageModelChatOptions { MaxParallelAnswers = slots });
        var stuck = new List<IAsyncEnumerator<ChatResponseUpdate>>();
        for (var reader = 0; reader < 6; reader++)
        {
            stuck.Add(client.GetStreamingResponseAsync("x", new ChatOptions { MaxOutputTokens = 50 }).GetAsyncEnumerator());
            Assert.True(await stuck[^1].MoveNextAsync().AsTask().WaitAsync(Patience));
        }
        Assert.Equal(3, (await client.GetResponseAsync("x", new ChatOptions { MaxOutputTokens = 3 }).WaitAsync(Patience)).Usage!.OutputTokenCount);
        Assert.True(await stuck[0].MoveNextAsync().AsTask().WaitAsync(Patience));
        foreach (var reader in stuck)
            await reader.DisposeAsync();
    }

    [Fact]
    public async Task Streams_dropped_without_disposal_leave_no_tensor_for_good()
    {
        using var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = 8, LayerCount = 2 }.AddAttention().Build();
        using var client = model.AsChatClient(ModelTokenizer.Bytes);
        await DropAsync(client, 2);
        var before = await SettledAsync(long.MinValue);
        await DropAsync(client, 60);
        // Each kept a prompt, a grid, two caches and a generator.
        Assert.True(await SettledAsync(before + 10) <= before + 10, $"{TorchSharp.torch.Tensor.TotalCount - before} tensors are left of 60 dropped streams.");
    }

    [Fact]
    public async Task Answers_in_progress_take_turns()
    {
        using var model = FixedModel.OfLetters(1, 1);
        var (running, most) = (0, 0);
        model.OnStep = () =>
        {
            most = Math.Max(most, Interlocked.Increment(ref running));
            Thread.Sleep(1);
            Interlocked.Decrement(ref running);
        };
        using var client = model.AsChatClient(ModelTokenizer.Bytes, options: new LanguageModelChatOptions { MaxParallelAnswers = 1 });
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => client.GetResponseAsync("x", new ChatOptions { MaxOutputTokens = 10 })));
        Assert.Equal(1, most);
    }

    [Fact]
    public async Task A_request_that_waits_for_its_turn_can_be_cancelled()
    {
        using var model = FixedModel.OfLetters(1, 1);
        using var entered = new SemaphoreSlim(0);
        using var goOn = new ManualResetEventSlim();
        model.OnStep = () =>
        {
            entered.Release();
            Assert.True(goOn.Wait(Patience));
        };
        using var client = model.AsChatClient(ModelTokenizer.Bytes, options: new LanguageModelChatOptions { MaxParallelAnswers = 1 });
        var busy = client.GetResponseAsync("x", new ChatOptions { MaxOutputTokens = 1 });
        Assert.True(await entered.WaitAsync(Patience));
        using var cancel = new CancellationTokenSource();
        var waiting = client.GetResponseAsync("x", new ChatOptions { MaxOutputTokens = 1 }, cancel.Token);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.WaitAsync(Patience));
        goOn.Set();
        Assert.Equal(1, (await busy.WaitAsync(Patience)).Usage!.OutputTokenCount);
        Assert.Equal(1, (await client.GetResponseAsync("x", new ChatOptions { MaxOutputTokens = 1 }).WaitAsync(Patience)).Usage!.OutputTokenCount);
    }

    [Fact]
    public async Task A_client_disposed_during_an_answer_ends_it_by_its_own_name()
    {
        using var model = FixedModel.OfLetters(1, 1);
        var client = model.AsChatClient(ModelTokenizer.Bytes);
        var steps = 0;
        model.OnStep = () =>
        {
            if (++steps == 3)
                client.Dispose();
        };
        var error = await Assert.ThrowsAsync<ObjectDisposedException>(() => client.GetResponseAsync("x", new ChatOptions { MaxOutputTokens = 50 }));
        Assert.Equal((3, "LmKit.LanguageModelChatClient"), (steps, error.ObjectName));
        Assert.Equal("LmKit.LanguageModelChatClient", (await Assert.ThrowsAsync<ObjectDisposedException>(() => client.GetResponseAsync("x"))).ObjectName);
        client.Dispose();
    }

    [Fact]
    public async Task A_model_disposed_during_an_answer_ends_it_by_the_models_name()
    {
        var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = 8, LayerCount = 1 }.AddAttention().Build();
        using var client = model.AsChatClient(ModelTokenizer.Bytes);
        await using var answer = client.GetStreamingResponseAsync("x", new ChatOptions { Temperature = 0, MaxOutputTokens = 5000 }).GetAsyncEnumerator();
        Assert.True(await answer.MoveNextAsync());
        model.Dispose();
        var error = await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            while (await answer.MoveNextAsync())
            {
            }
        });
        Assert.Equal(nameof(LanguageModel), error.ObjectName);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task DropAsync(IChatClient client, int count)
    {
        for (var stream = 0; stream < count; stream++)
            await client.GetStreamingResponseAsync("hello", new ChatOptions { MaxOutputTokens = 50 }).GetAsyncEnumerator().MoveNextAsync();
    }

    // The number of live tensors once collections have brought it to a bound, or after many of them.
    private static async Task<long> SettledAsync(long bound)
    {
        for (var turn = 0; turn < 30; turn++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            if (TorchSharp.torch.Tensor.TotalCount <= bound)
                break;
            await Task.Delay(10);
        }
        return TorchSharp.torch.Tensor.TotalCount;
    }
}
