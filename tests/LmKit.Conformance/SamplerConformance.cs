using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>The laws of a sampler.</summary>
/// <remarks>Make the model that it draws from once per test class and dispose it there; the suite disposes grids only.</remarks>
[NoTensorLeak]
public abstract class SamplerConformance
{
    private const long Padding = -1;

    /// <summary>Makes a sampler that draws at random and stops no row early.</summary>
    protected abstract ISampler Create();

    /// <summary>Vocabulary size of the model; prompts use its first tokens.</summary>
    protected abstract long VocabSize { get; }

    /// <summary>A sampler that takes the most likely token, and what it must give; null where the kind has no such form.</summary>
    /// <param name="prompt">(B, L), padded on the left.</param>
    /// <param name="length">Columns to add.</param>
    protected abstract (ISampler Sampler, Tensor Expected)? Greedy(Tensor prompt, long length);

    /// <summary>A hook point of the model and an edit there that changes what is drawn; null where the model has none.</summary>
    protected virtual (string Point, Func<Tensor, Tensor> Edit)? Steering => null;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    public void The_sample_has_as_many_columns_as_asked_and_starts_with_the_prompt(long length)
    {
        using var scope = NewDisposeScope();
        foreach (var prompt in new[] { Prompt(), RaggedPrompt() })
        {
            var sample = Last(Create(), prompt, length, 1);

            Assert.Equal([prompt.size(0), prompt.size(1) + length], sample.shape);
            Assert.Equal(ScalarType.Int64, sample.dtype);
            Close.Check("the prompt", prompt, sample.narrow(1, 0, prompt.size(1)));
            Assert.All(Numbers(sample.narrow(1, prompt.size(1), length)), token => Assert.InRange(token, 0, VocabSize - 1));
        }
    }

    [Fact]
    public void Prompt_tokens_never_change_on_the_way()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        var prompt = RaggedPrompt();
        var kept = prompt.clone();
        foreach (var grid in Create().Sample(prompt, 5, random))
        {
            using (grid)
            {
                using var inner = NewDisposeScope();
                Assert.Equal(prompt.size(0), grid.size(0));
                Close.Check("the prompt", kept, grid.narrow(1, 0, prompt.size(1)));
            }
        }
        Close.Check("the caller's prompt", kept, prompt);
    }

    [Fact]
    public void A_sampler_that_says_it_only_appends_keeps_every_column_it_gave()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        if (Create() is not { IsAppendOnly: true } sampler)
            return;
        var prompt = RaggedPrompt();
        var before = prompt.clone();
        foreach (var grid in sampler.Sample(prompt, 5, random))
        {
            using (grid)
            {
                using var inner = NewDisposeScope();
                Close.Check("the version before", before, grid.narrow(1, 0, before.size(1)));
                before = grid.clone().MoveToOuterDisposeScope();
            }
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_sample_and_another_seed_another()
    {
        using var scope = NewDisposeScope();
        var samples = new ulong[] { 1, 1, 2, 3, 4 }.Select(seed => Numbers(Last(Create(), Prompt(), 12, seed))).ToList();

        Assert.Equal(samples[0], samples[1]);
        Assert.Contains(samples.Skip(2), sample => !sample.SequenceEqual(samples[0]));
    }

    [Fact]
    public void A_sampler_may_be_used_again()
    {
        using var scope = NewDisposeScope();
        var sampler = Create();

        Assert.Equal(Numbers(Last(sampler, Prompt(), 6, 1)), Numbers(Last(sampler, Prompt(), 6, 1)));
    }

    [Fact]
    public void A_row_of_a_ragged_batch_is_drawn_without_its_padding()
    {
        using var scope = NewDisposeScope();
        var prompt = RaggedPrompt();
        if (Greedy(prompt, 6) is not { } batch)
            return;
        var sample = Last(batch.Sampler, prompt, 6, 1);
        for (var row = 0L; row < prompt.size(0); row++)
        {
            var padded = Numbers(prompt[row]).TakeWhile(token => token == Padding).Count();
            var alone = prompt.narrow(0, row, 1).narrow(1, padded, prompt.size(1) - padded);
            Close.Check($"row {row}", Last(Greedy(alone, 6)!.Value.Sampler, alone, 6, 1), sample.narrow(0, row, 1).narrow(1, padded, prompt.size(1) - padded + 6));
        }
    }

    [Fact]
    public void Temperature_zero_takes_the_most_likely_token()
    {
        using var scope = NewDisposeScope();
        foreach (var prompt in new[] { Prompt(), RaggedPrompt() })
        {
            if (Greedy(prompt, 6) is { } greedy)
                Close.Check("the greedy sample", greedy.Expected, Last(greedy.Sampler, prompt, 6, 1));
        }
    }

    [Fact]
    public void Sampling_leaves_no_tensor_behind_however_early_it_stops()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        var (sampler, prompt) = (Create(), RaggedPrompt());
        Last(sampler, prompt, 2, 1).Dispose();

        foreach (var count in new[] { 0, 1, 3, int.MaxValue })
        {
            LiveTensors.Unchanged($"Taking {count} grids", () =>
            {
                foreach (var grid in sampler.Sample(prompt, 5, random).Take(count))
                    grid.Dispose();
            });
        }
    }

    [Fact]
    public void A_consumer_keeps_its_own_tensors()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        var own = new List<Tensor>();
        foreach (var grid in Create().Sample(Prompt(), 3, random))
        {
            own.Add(grid + 1);
            grid.Dispose();
        }

        Assert.All(own, tensor => Assert.False(tensor.IsInvalid));
    }

    [Fact]
    public void A_row_alone_is_the_row_in_any_batch_whatever_the_others_want()
    {
        using var scope = NewDisposeScope();
        var (sampler, prompt) = (Create(), RaggedPrompt());
        var options = Settings.Where(setting => Refusal(sampler, setting.Options) is null).Select(setting => (SampleOptions?)setting.Options).Prepend(null).ToArray();
        for (var shift = 0; shift < options.Length; shift++)
        {
            SampleOptions?[] own = [.. Enumerable.Range(0, 3).Select(row => options[(row + shift) % options.Length])];
            Check(own, own);
        }
        Check([null, null, null], null);
        Check([options[^1], options[^1], options[^1]], [options[^1]]);

        void Check(SampleOptions?[] each, SampleOptions?[]? together)
        {
            var batch = Last(sampler, prompt, 6, [11, 12, 13], together);
            for (var row = 0; row < 3; row++)
            {
                var padded = Numbers(prompt[row]).TakeWhile(token => token == Padding).Count();
                var alone = Numbers(Last(sampler, prompt.narrow(0, row, 1).narrow(1, padded, prompt.size(1) - padded), 6, [(ulong)(11 + row)], each[row] is { } one ? [one] : null));
                var beside = Numbers(batch[row])[padded..];
                Assert.Equal(alone, beside[..alone.Length]);
                Assert.All(beside[alone.Length..], token => Assert.Equal(Padding, token)); // it ended where it ends alone
            }
        }
    }

    [Fact]
    public void An_option_of_a_row_is_obeyed_or_refused_at_the_call_by_its_name()
    {
        using var scope = NewDisposeScope();
        var sampler = Create();
        foreach (var (name, options) in Settings)
        {
            if (Refusal(sampler, options) is { } refusal)
            {
                Assert.Contains(sampler.GetType().Name, refusal.Message, StringComparison.Ordinal);
                Assert.Contains(name, refusal.Message, StringComparison.Ordinal);
                continue;
            }
            var changed = Enumerable.Range(1, 8).Any(seed =>
                !Numbers(Last(sampler, Prompt(), 6, [(ulong)seed, 99], [options, null])).SequenceEqual(Numbers(Last(sampler, Prompt(), 6, [(ulong)seed, 99], null))));
            Assert.True(changed, $"{sampler.GetType().Name} neither obeys nor refuses {name}.");
        }
    }

    [Fact]
    public void A_row_steered_in_a_batch_is_that_row_steered_alone_and_its_neighbours_are_as_without()
    {
        using var scope = NewDisposeScope();
        var (sampler, prompt) = (Create(), RaggedPrompt());
        if (Steering is not { } steering)
        {
            var edits = HookEdits.None.Add("nowhere", 0, activation => activation);
            Assert.Contains("nowhere", Assert.ThrowsAny<Exception>(() => sampler.Sample(new SampleRequest(prompt, 1) { Edits = edits })).Message, StringComparison.Ordinal);
            return;
        }
        var refusal = Assert.ThrowsAny<ArgumentException>(() => sampler.Sample(new SampleRequest(prompt, 1) { Edits = HookEdits.None.Add("nowhere", 0, steering.Edit) }));
        Assert.Contains("'nowhere'", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(steering.Point, refusal.Message, StringComparison.Ordinal);
        Assert.Contains("row 3", Assert.ThrowsAny<ArgumentException>(() => sampler.Sample(new SampleRequest(prompt, 1) { Edits = HookEdits.None.Add(steering.Point, 3, steering.Edit) })).Message, StringComparison.Ordinal);

        var plain = Last(sampler, prompt, 6, [11, 12, 13], null);
        for (var steered = 0; steered < 3; steered++)
        {
            var together = Last(sampler, prompt, 6, [11, 12, 13], null, HookEdits.None.Add(steering.Point, steered, steering.Edit));
            for (var row = 0; row < 3; row++)
            {
                if (row != steered)
                {
                    Assert.Equal(Numbers(plain[row]), Numbers(together[row]));
                    continue;
                }
                var padded = Numbers(prompt[row]).TakeWhile(token => token == Padding).Count();
                var alone = Last(sampler, prompt.narrow(0, row, 1).narrow(1, padded, prompt.size(1) - padded), 6, [(ulong)(11 + row)], null, HookEdits.None.Add(steering.Point, 0, steering.Edit));
                Assert.Equal(Numbers(alone), Numbers(together[row])[padded..]);
                Assert.NotEqual(Numbers(plain[row]), Numbers(together[row]));
            }
        }
    }

    [Fact]
    public void A_request_that_cannot_be_is_refused_at_the_call()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        using var other = new Generator(2);
        var (sampler, request) = (Create(), new SampleRequest(Prompt(), 2));
        Assert.ThrowsAny<ArgumentException>(() => sampler.Sample(request with { Length = -1 }));
        Assert.Contains("2 rows", Assert.ThrowsAny<ArgumentException>(() => sampler.Sample(request with { Generators = [random] })).Message, StringComparison.Ordinal);
        Assert.ThrowsAny<ArgumentException>(() => sampler.Sample(request with { Generators = [random, null!] }));
        Assert.ThrowsAny<ArgumentException>(() => sampler.Sample(request with { Generators = [random, random] }));
        _ = sampler.Sample(request with { Generators = [random, other] });
        Assert.Contains("3 rows", Assert.ThrowsAny<ArgumentException>(() => sampler.Sample(request with { Rows = [null, null, null] })).Message, StringComparison.Ordinal);
        Assert.Contains("Temperature", Assert.ThrowsAny<ArgumentException>(() => sampler.Sample(request with { Rows = [new SampleOptions { Temperature = -1 }] })).Message, StringComparison.Ordinal);
        _ = sampler.Sample(request with { Rows = [null] });
    }

    // Each so strong that a sampler which obeys it draws otherwise.
    private static (string Name, SampleOptions Options)[] Settings =>
    [
        (nameof(SampleOptions.Temperature), new() { Temperature = 0 }),
        (nameof(SampleOptions.TopP), new() { TopP = 0 }),
        (nameof(SampleOptions.TopK), new() { TopK = 1 }),
        (nameof(SampleOptions.MinP), new() { MinP = 1 }),
        (nameof(SampleOptions.RepetitionPenalty), new() { RepetitionPenalty = 100 }),
        (nameof(SampleOptions.FrequencyPenalty), new() { FrequencyPenalty = 100 }),
        (nameof(SampleOptions.PresencePenalty), new() { PresencePenalty = 100 }),
        (nameof(SampleOptions.StopTokens), new() { StopTokens = [0, 1, 2] }),
        (nameof(SampleOptions.Filters), new() { Filters = [(logits, _, _) => logits.index_fill(1, tensor(new long[] { 0, 1 }), double.NegativeInfinity)] }),
    ];

    private static NotSupportedException? Refusal(ISampler sampler, SampleOptions options)
    {
        try
        {
            _ = sampler.Sample(new SampleRequest(Prompt(), 1) { Rows = [options] });
            return null;
        }
        catch (NotSupportedException refusal)
        {
            return refusal;
        }
    }

    private static Tensor Last(ISampler sampler, Tensor prompt, long length, ulong[] seeds, SampleOptions?[]? rows, HookEdits? edits = null)
    {
        Generator[] generators = [.. seeds.Select(seed => new Generator(seed))];
        Tensor? last = null;
        foreach (var grid in sampler.Sample(new SampleRequest(prompt, length) { Generators = generators, Rows = rows, Edits = edits }))
        {
            last?.Dispose();
            last = grid;
        }
        foreach (var random in generators)
            random.Dispose();
        using (last)
            return (last ?? prompt).clone();
    }

    private static Tensor Last(ISampler sampler, Tensor prompt, long length, ulong seed)
    {
        using var random = new Generator(seed);
        Tensor? last = null;
        foreach (var grid in sampler.Sample(prompt, length, random))
        {
            last?.Dispose();
            last = grid;
        }
        using (last)
            return (last ?? prompt).clone();
    }

    private static Tensor Prompt() => tensor(new long[] { 1, 2, 0, 2, 0, 1 }, [2, 3]);

    private static Tensor RaggedPrompt() => tensor(new long[] { Padding, Padding, 1, 2, 0, 1, 0, 2, Padding, 2, 2, 0 }, [3, 4]);

    private static long[] Numbers(Tensor tensor) => tensor.numel() == 0 ? [] : tensor.contiguous().data<long>().ToArray();
}
