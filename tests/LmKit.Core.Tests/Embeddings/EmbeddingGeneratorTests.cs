using LmKit.Conformance;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using TorchSharp;

namespace LmKit.Core.Tests;

/// <summary>What an embedding generator gives, and that nothing is left of what it did not give.</summary>
public sealed class EmbeddingGeneratorTests : IDisposable
{
    private static readonly string[] texts = ["a long text that comes first", "b", "the third one", "", "b"];

    private readonly LanguageModel model = Toy();

    public void Dispose() => model.Dispose();

    [Fact]
    public async Task Each_text_has_a_vector_in_its_place_and_tokens_are_counted()
    {
        using var generator = model.AsEmbeddingGenerator(ModelTokenizer.Bytes, new LanguageModelEmbeddingOptions { ModelId = "ours", BatchSize = 2 });
        var before = DateTimeOffset.UtcNow;
        var got = await generator.GenerateAsync(["second longest", "a", "the longest of them all", "bb"], new EmbeddingGenerationOptions { ModelId = "ours", Dimensions = 8 });

        Assert.Equal(4, got.Count);
        Assert.Equal((40L, 40L), (got.Usage!.InputTokenCount, got.Usage.TotalTokenCount));
        Assert.All(got, one => Assert.Equal(("ours", 8), (one.ModelId, one.Dimensions)));
        Assert.All(got, one => Assert.InRange(one.CreatedAt!.Value, before, DateTimeOffset.UtcNow));
        Assert.All(got, one => Assert.Equal(1, Length(one), 6));
        Assert.All((await generator.GenerateAsync(["a"]))[0].Vector.ToArray().Zip(got[1].Vector.ToArray()), pair => Assert.InRange(pair.First - pair.Second, -1e-6, 1e-6));
        Assert.NotEqual(got[1].Vector.ToArray(), got[3].Vector.ToArray());
    }

    [Fact]
    public void A_special_token_that_a_text_spells_is_read_as_text_even_where_the_vocabulary_has_it_as_an_entry()
    {
        var tokenizer = TokenizerFiles.Load(Path.Combine(GoldenSource.Repository.Root!, "core/tokenizers/t5-unigram"));
        using var large = Toy(tokenizer.VocabSize);
        var end = tokenizer.EndOfTextId!.Value;
        var read = new EmbeddingTexts(large, tokenizer, new LanguageModelEmbeddingOptions()).Encode(["the </s> water"], default)[0];

        Assert.Contains(end, tokenizer.Encode("the </s> water"));
        Assert.Equal(end, Assert.Single(read, id => id == end));
        Assert.Equal(end, read[^1]);
    }

    [Fact]
    public async Task No_text_gives_no_vector()
    {
        using var generator = model.AsEmbeddingGenerator(ModelTokenizer.Bytes);
        var got = await generator.GenerateAsync([]);
        Assert.Empty(got);
        Assert.Equal(0, got.Usage!.InputTokenCount);
    }

    [Fact]
    public async Task A_vector_that_is_not_normalised_is_as_long_as_the_hidden_states_say()
    {
        using var plain = model.AsEmbeddingGenerator(ModelTokenizer.Bytes, new LanguageModelEmbeddingOptions { Normalizes = false });
        using var unit = model.AsEmbeddingGenerator(ModelTokenizer.Bytes);
        var (first, second) = ((await plain.GenerateAsync(["hello"]))[0], (await unit.GenerateAsync(["hello"]))[0]);
        Assert.True(Math.Abs(Length(first) - 1) > 0.1);
        Assert.All(first.Vector.ToArray().Zip(second.Vector.ToArray()), pair => Assert.Equal(pair.First / Length(first), pair.Second, 6));
    }

    [Fact]
    public async Task The_last_token_and_the_mean_are_the_same_of_one_token_and_differ_of_more()
    {
        using var mean = model.AsEmbeddingGenerator(ModelTokenizer.Bytes);
        using var last = model.AsEmbeddingGenerator(ModelTokenizer.Bytes, new LanguageModelEmbeddingOptions { Pooling = EmbeddingPooling.LastToken });
        Assert.Equal((await mean.GenerateAsync(["a"]))[0].Vector.ToArray(), (await last.GenerateAsync(["a"]))[0].Vector.ToArray());
        Assert.NotEqual((await mean.GenerateAsync(["ab"]))[0].Vector.ToArray(), (await last.GenerateAsync(["ab"]))[0].Vector.ToArray());
    }

    [Fact]
    public async Task A_prefix_stands_before_every_text()
    {
        using var prefixed = model.AsEmbeddingGenerator(ModelTokenizer.Bytes, new LanguageModelEmbeddingOptions { Prefix = "query: " });
        using var plain = model.AsEmbeddingGenerator(ModelTokenizer.Bytes);
        var (got, wanted) = (await prefixed.GenerateAsync(["a", "bc"]), await plain.GenerateAsync(["query: a", "query: bc"]));
        Assert.Equal(wanted.Select(one => one.Vector.ToArray()), got.Select(one => one.Vector.ToArray()));
        Assert.Equal(17, got.Usage!.InputTokenCount);
    }

    [Fact]
    public async Task A_text_that_is_cut_keeps_what_the_tokenizer_puts_around_it()
    {
        var tokenizer = TokenizerFiles.Load(Path.Combine(GoldenSource.Repository.Root!, "core", "tokenizers", "bert-wordpiece"));
        using var wide = Toy(tokenizer.VocabSize);
        var around = tokenizer.Encode("", addSpecialTokens: true);
        Assert.Equal(2, around.Count);
        const string text = "a b c d e f";
        var (plain, special) = (tokenizer.Encode(text), tokenizer.SpecialTokens.Keys.First());
        using var cut = wide.AsEmbeddingGenerator(tokenizer, new LanguageModelEmbeddingOptions { MaxTextTokens = 5, Truncates = true, Pooling = EmbeddingPooling.LastToken });
        using var whole = wide.AsEmbeddingGenerator(tokenizer, new LanguageModelEmbeddingOptions { Pooling = EmbeddingPooling.LastToken });

        var got = await cut.GenerateAsync([text]);

        Assert.Equal(5, got.Usage!.InputTokenCount);
        Assert.Equal((await whole.GenerateAsync([tokenizer.Decode(plain.Take(3))]))[0].Vector.ToArray(), got[0].Vector.ToArray());
        Assert.Equal(tokenizer.Encode(special).Count + 2, (await whole.GenerateAsync([special])).Usage!.InputTokenCount);
        Assert.True(tokenizer.Encode(special).Count > 1);
    }

    [Fact]
    public async Task Calls_side_by_side_give_what_each_gives_alone()
    {
        using var generator = model.AsEmbeddingGenerator(ModelTokenizer.Bytes, new LanguageModelEmbeddingOptions { BatchSize = 2, MaxParallelBatches = 3 });
        string[][] requests = [.. Enumerable.Range(0, 12).Select(request => Enumerable.Range(0, 7).Select(index => new string((char)('a' + request), 1 + (index * 5 % 17))).ToArray())];
        var together = await Task.WhenAll(requests.Select(request => generator.GenerateAsync(request)));
        foreach (var (request, got) in requests.Zip(together))
            Assert.Equal((await generator.GenerateAsync(request)).Select(one => one.Vector.ToArray()), got.Select(one => one.Vector.ToArray()));
    }

    [Fact]
    public async Task Cancelling_stops_before_the_next_batch_and_frees_the_place()
    {
        using var cancel = new CancellationTokenSource();
        var read = 0;
        using var slow = FixedModel.OfLetters(0);
        slow.eval();
        using var generator = slow.AsEmbeddingGenerator(ModelTokenizer.Bytes, new LanguageModelEmbeddingOptions { BatchSize = 1, Normalizes = false });
        slow.OnStep = () =>
        {
            if (++read == 2)
                cancel.Cancel();
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generator.GenerateAsync(["a", "b", "c", "d"], cancellationToken: cancel.Token));
        Assert.Equal(2, read);
        Assert.Equal(1, (await generator.GenerateAsync(["a"]))[0].Vector.Span[0]);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generator.GenerateAsync(["a"], cancellationToken: cancel.Token));
    }

    [Fact]
    public async Task No_tensor_is_left_behind_by_calls_that_end_well_or_badly()
    {
        using var cancel = new CancellationTokenSource();
        await cancel.CancelAsync();
        using var generator = model.AsEmbeddingGenerator(ModelTokenizer.Bytes, new LanguageModelEmbeddingOptions { BatchSize = 2 });
        using var broken = Toy();
        Break(broken);
        using var bad = broken.AsEmbeddingGenerator(ModelTokenizer.Bytes);
        await Round();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var before = torch.Tensor.TotalCount;
        for (var round = 0; round < 50; round++)
            await Round();
        // Without a collection in between: what is left must have been freed, not forgotten. Earlier tests' own may still go meanwhile.
        Assert.InRange(torch.Tensor.TotalCount, 0, before);

        async Task Round()
        {
            _ = await generator.GenerateAsync(["one", "of five", "texts", "of several", "lengths"]);
            _ = await Assert.ThrowsAnyAsync<Exception>(() => generator.GenerateAsync(texts));
            _ = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generator.GenerateAsync(["a"], cancellationToken: cancel.Token));
            _ = await Assert.ThrowsAsync<InvalidOperationException>(() => bad.GenerateAsync(["a", "bc"]));
        }
    }

    [Fact]
    public async Task The_container_gives_a_generator_over_its_model()
    {
        var services = new ServiceCollection();
        services.AddLanguageModel(options => (options.VocabSize, options.ModelDim, options.LayerCount) = (256, 8, 1)).AddAttention();
        services.AddSingleton(ModelTokenizer.Bytes);
        services.AddEmbeddingGenerator(provider => provider.GetRequiredService<LanguageModel>().AsEmbeddingGenerator(provider.GetRequiredService<ModelTokenizer>()));
        using var provider = services.BuildServiceProvider();

        var generator = provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();

        Assert.Same(generator, provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>());
        Assert.Same(provider.GetRequiredService<ILanguageModel>(), generator.GetService(typeof(ILanguageModel)));
        Assert.Equal(8, (await generator.GenerateVectorAsync("hello")).Length);
    }

    [Fact]
    public void Services_are_found_by_their_types()
    {
        using var generator = model.AsEmbeddingGenerator(ModelTokenizer.Bytes, new LanguageModelEmbeddingOptions { ModelId = "ours" });
        var about = (EmbeddingGeneratorMetadata)generator.GetService(typeof(EmbeddingGeneratorMetadata))!;
        Assert.Equal(("lmkit", "ours", 8), (about.ProviderName, about.DefaultModelId, about.DefaultModelDimensions));
        Assert.Same(model, generator.GetService(typeof(LanguageModel)));
        Assert.Same(ModelTokenizer.Bytes, generator.GetService(typeof(ModelTokenizer)));
        Assert.Same(generator, generator.GetService(typeof(IEmbeddingGenerator)));
        Assert.Null(generator.GetService(typeof(string)));
        Assert.Null(generator.GetService(typeof(ILanguageModel), "key"));
    }

    /// <summary>Makes all hidden states of a model one number.</summary>
    internal static void Break(LanguageModel model, double with = double.NaN)
    {
        using var frozen = torch.no_grad();
        foreach (var (_, parameter) in model.named_parameters().Where(entry => entry.name.StartsWith("ln_f.", StringComparison.Ordinal)))
            parameter.fill_(with);
    }

    internal static LanguageModel Toy(long vocabSize = 256)
    {
        var builder = new LanguageModelBuilder { VocabSize = vocabSize, ModelDim = 8, LayerCount = 2 }.AddAttention(attention => attention.HeadCount = 2);
        builder.Options.InitializerRange = 0.5;
        return builder.Build();
    }

    private static double Length(Embedding<float> one) => Math.Sqrt(one.Vector.ToArray().Sum(number => (double)number * number));
}
