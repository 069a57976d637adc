using System.Diagnostics.Metrics;
using LmKit.Conformance;
using Microsoft.Extensions.AI;

namespace LmKit.Core.Tests;

/// <summary>Texts shown while they are made, and prompts that each want something else.</summary>
[NoTensorLeak]
public sealed class TextStreamTests
{
    private static readonly double[] letters = [1, 0.5, 0.2, 0, -0.5];

    [Fact]
    public async Task What_is_streamed_joins_to_what_is_generated_and_the_last_update_tells_the_end()
    {
        using var model = FixedModel.OfLetters(letters);
        var generator = new TextGenerator(new AutoregressiveSampler(model), ModelTokenizer.Bytes);
        var options = new GenerationOptions { MaxOutputTokens = 9, Seed = 4, StopSequences = ["bb"] };
        foreach (var seed in Enumerable.Range(0, 8))
        {
            options.Seed = seed;
            var updates = await AllAsync(generator.StreamAsync("prompt", options));
            var text = string.Concat(updates.Select(update => update.Text));
            Assert.Equal(generator.Generate(["prompt"], options)[0], text);
            Assert.Equal(string.Concat(generator.Stream("prompt", options)), text);
            Assert.All(updates.SkipLast(1), update => Assert.Null(update.FinishReason ?? (object?)update.Usage));
            Assert.All(updates, update => Assert.Equal((0, false), (update.Row, update.Replaces)));
            var isStopped = updates[^1].FinishReason == ChatFinishReason.Stop;
            Assert.Equal(isStopped ? text.Length + 2 : 9, updates[^1].Usage!.OutputTokenCount);
            Assert.Equal(6, updates[^1].Usage!.InputTokenCount);
            Assert.Equal(6 + updates[^1].Usage!.OutputTokenCount, updates[^1].Usage!.TotalTokenCount);
        }
        Assert.Equal([ChatFinishReason.Length, ChatFinishReason.Stop], Enumerable.Range(0, 30).Select(Reason).Distinct().OrderBy(reason => reason.Value));

        ChatFinishReason Reason(int seed)
        {
            options.Seed = seed;
            return AllAsync(generator.StreamAsync("prompt", options)).GetAwaiter().GetResult()[^1].FinishReason!.Value;
        }
    }

    [Fact]
    public async Task Prompts_of_one_batch_may_each_want_something_else_and_get_what_they_get_alone()
    {
        using var model = FixedModel.OfLetters(letters);
        var generator = new TextGenerator(new AutoregressiveSampler(model), ModelTokenizer.Bytes);
        string[] prompts = ["x", "longer", "abc", "z"];
        GenerationOptions[] options =
        [
            new() { Seed = 1, MaxOutputTokens = 12 },
            new() { Seed = 2, MaxOutputTokens = 3, Temperature = 0 },
            new() { Seed = 3, MaxOutputTokens = 9, FrequencyPenalty = 1, StopSequences = ["ab"] },
            new() { Seed = 4, MaxOutputTokens = 0 },
        ];
        var together = generator.GenerateEach(prompts, options);
        Assert.Equal(prompts.Select((prompt, row) => generator.Generate([prompt], options[row])[0]), together);
        Assert.Equal((12, "aaa", ""), (together[0].Length, together[1], together[3]));
        var updates = await AllAsync(generator.StreamEachAsync(prompts, options));
        Assert.Equal(together, Enumerable.Range(0, 4).Select(row => string.Concat(updates.Where(update => update.Row == row).Select(update => update.Text))));
        Assert.Equal(4, updates.Count(update => update.FinishReason is not null));
        Assert.Contains("2 prompts", Assert.Throws<ArgumentException>(() => generator.GenerateEach(["a", "b", "c"], [null, null])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Versions_that_may_still_change_are_shown_in_place_of_each_other()
    {
        long[][] versions = [[256, 256, 256], ['a', 256, 'x'], ['a', 256, 'x'], ['a', 'b', 'c']];
        var generator = new TextGenerator(new DraftSampler(false, versions), ModelTokenizer.Bytes);
        var updates = await AllAsync(generator.StreamAsync("p", new GenerationOptions { MaxOutputTokens = 3 }));
        Assert.Equal(["\ufffd\ufffd\ufffd", "a\ufffdx", "abc", "abc"], updates.Select(update => update.Text));
        Assert.All(updates, update => Assert.True(update.Replaces));
        Assert.Equal([null, null, null, ChatFinishReason.Length], updates.Select(update => update.FinishReason));
        Assert.Equal(3, updates[^1].Usage!.OutputTokenCount);
    }

    [Fact]
    public void A_stop_sequence_that_cannot_be_seen_yet_is_refused_by_a_stream_and_cuts_what_is_generated()
    {
        var generator = new TextGenerator(new DraftSampler(false, [['a', 'b', 'c', 'd']]), ModelTokenizer.Bytes);
        var options = new GenerationOptions { StopSequences = ["c"], MaxOutputTokens = 4 };
        Assert.Equal(["ab"], generator.Generate(["x"], options));
        foreach (var error in new[] { Assert.Throws<NotSupportedException>(() => generator.Stream("x", options)), Assert.Throws<NotSupportedException>(() => generator.StreamAsync("x", options)) })
        {
            Assert.Contains("StopSequences = ['c']", error.Message, StringComparison.Ordinal);
            Assert.Contains(nameof(DraftSampler), error.Message, StringComparison.Ordinal);
        }
        var lengths = Assert.Throws<NotSupportedException>(() => generator.GenerateEach(["x", "y"], [options, new() { MaxOutputTokens = 5 }]));
        Assert.Contains("4 and 5", lengths.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(DraftSampler), lengths.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_that_is_left_or_cancelled_holds_no_tensor()
    {
        using var model = FixedModel.OfLetters(letters);
        var generator = new TextGenerator(new AutoregressiveSampler(model), ModelTokenizer.Bytes);
        await foreach (var _ in generator.StreamAsync("x"))
            break;
        using var stop = new CancellationTokenSource();
        var count = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in generator.StreamAsync("x", cancellation: stop.Token))
            {
                if (++count == 3)
                    await stop.CancelAsync();
            }
        });
        Assert.Equal(3, count);
        _ = generator.StreamAsync("never read");
        Assert.Equal("MaxOutputTokens", Assert.Throws<ArgumentOutOfRangeException>(() => generator.StreamAsync("x", new() { MaxOutputTokens = -1 })).ParamName);
    }

    [Fact]
    public async Task Tokens_and_the_time_of_steps_are_measured()
    {
        using var model = FixedModel.OfLetters(letters);
        var (tokens, steps, waits) = (0L, 0, 0);
        using var listener = new MeterListener { InstrumentPublished = (instrument, own) => { if (instrument.Meter.Name == "LmKit.Core") own.EnableMeasurementEvents(instrument); } };
        var here = new AsyncLocal<bool> { Value = true }; // other tests generate meanwhile
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => tokens += here.Value && instrument.Name == "lmkit.core.generation.tokens" ? value : 0);
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) =>
        {
            Assert.True(value >= 0);
            steps += here.Value && instrument.Name == "lmkit.core.generation.step.duration" ? 1 : 0;
            waits += here.Value && instrument.Name == "lmkit.core.chat.step.waiting" ? 1 : 0;
        });
        listener.Start();
        _ = new TextGenerator(new AutoregressiveSampler(model), ModelTokenizer.Bytes).Generate(["a", "bc"], new() { MaxOutputTokens = 5 });
        Assert.Equal((10, 5, 0), (tokens, steps, waits));
        using var client = model.AsChatClient(ModelTokenizer.Bytes);
        _ = await client.GetResponseAsync("a", new ChatOptions { MaxOutputTokens = 4 });
        Assert.Equal((14, 9, 4), (tokens, steps, waits));
    }

    private static async Task<List<TextUpdate>> AllAsync(IAsyncEnumerable<TextUpdate> updates)
    {
        var all = new List<TextUpdate>();
        await foreach (var update in updates)
            all.Add(update);
        return all;
    }
}
