using LmKit.Conformance;
using Microsoft.Extensions.AI;

namespace LmKit.Diffusion.Tests;

/// <summary>Every diffusion sampler writes text through <see cref="TextGenerator"/>.</summary>
[NoTensorLeak]
public sealed class DiffusionTextTests
{
    public static TheoryData<string> Samplers => [.. All.Keys];

    private static Dictionary<string, Action<LanguageModelBuilder, long>> All => new()
    {
        ["ancestral"] = (builder, mask) => builder.AddAncestralSampler(mask, options => options.StepCount = 8),
        ["cached"] = (builder, mask) => builder.AddCachedAncestralSampler(mask, options => options.StepCount = 8),
        ["sparse"] = (builder, mask) => builder.AddSparseAncestralSampler(mask, options => options.StepCount = 8),
        ["analytic"] = (builder, mask) => builder.AddAnalyticSampler(mask, options => options.StepCount = 8),
        ["remasking"] = (builder, mask) => builder.AddRemaskingSampler(mask, options => options.StepCount = 8),
        ["semi-autoregressive"] = (builder, mask) => builder.AddSemiAutoregressiveSampler(mask, options => (options.StepCount, options.WindowLength, options.StrideLength) = (4, 8, 4)),
        ["confidence"] = (builder, mask) => builder.AddConfidenceSampler(mask),
    };

    [Theory]
    [MemberData(nameof(Samplers))]
    public void The_last_version_is_the_text_and_a_mask_is_never_decoded(string name)
    {
        const long Mask = 256; // the tokenizer has 0 to 255
        using var model = Model(257, Mask, name);
        var generator = new TextGenerator(model.CreateSampler(), ModelTokenizer.Bytes);
        var options = new GenerationOptions { MaxOutputTokens = 10, Seed = 1 };

        var texts = generator.Generate(["ab", "longer than that"], options);
        var streamed = string.Concat(generator.Stream("ab", options));

        Assert.Equal(2, texts.Count);
        Assert.Equal(streamed, texts[0]);
        Assert.Equal(Decoded(model, "ab", options), streamed);
        Assert.Equal(streamed, generator.Generate(["ab"], options)[0]);
    }

    [Theory]
    [MemberData(nameof(Samplers))]
    public async Task Versions_are_shown_in_place_of_each_other_and_a_chat_answers_with_the_last(string name)
    {
        using var model = Model(257, 256, name);
        var generator = new TextGenerator(model.CreateSampler(), ModelTokenizer.Bytes);
        var options = new GenerationOptions { MaxOutputTokens = 10, Seed = 1, Temperature = 0.5 };
        var text = generator.Generate(["ab"], options)[0];
        var shown = "";
        await foreach (var update in generator.StreamAsync("ab", options))
        {
            Assert.True(update.Replaces);
            shown = update.Text;
        }
        Assert.Equal(text, shown);
        using var client = model.AsChatClient(ModelTokenizer.Bytes);
        var answer = await client.GetResponseAsync("ab", new ChatOptions { MaxOutputTokens = 10, Seed = 1, Temperature = 0.5f });
        Assert.Equal((text, ChatFinishReason.Length), (answer.Text, answer.FinishReason));
        var refusal = await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync("ab", new ChatOptions { FrequencyPenalty = 0.5f }));
        Assert.Equal($"{model.CreateSampler().GetType().Name} cannot obey FrequencyPenalty = 0.5; leave it out.", refusal.Message);
    }

    [Fact]
    public void A_mask_that_stays_is_shown_as_an_unknown_token()
    {
        using var model = Model(257, 256, "none");
        // One step to half the noise: about half of the masks stay.
        var text = new TextGenerator(model.CreateSampler(), ModelTokenizer.Bytes).Generate([" "], new() { MaxOutputTokens = 40, Seed = 1 })[0];
        Assert.Contains('\ufffd', text);
        Assert.Contains(text, letter => letter != '\ufffd');
    }

    private static LanguageModel Model(long vocabulary, long mask, string sampler)
    {
        var builder = new LanguageModelBuilder { VocabSize = vocabulary, ModelDim = 16, LayerCount = 1 };
        builder.Options.IsBidirectional = true;
        builder.AddAttention();
        if (sampler == "none")
            builder.AddAncestralSampler(mask, options => (options.StepCount, options.EndTime, options.NoiseRemoval) = (1, 0.5, NoiseRemoval.None));
        else
            All[sampler](builder, mask);
        return builder.Build();
    }

    // The sampler's own last grid, decoded whole.
    private static string Decoded(LanguageModel model, string prompt, GenerationOptions options)
    {
        using var random = new TorchSharp.torch.Generator((ulong)options.Seed!.Value);
        using var start = TorchSharp.torch.tensor(prompt.Select(letter => (long)letter).ToArray(), [1, prompt.Length]);
        long[] ids = [];
        foreach (var grid in model.CreateSampler().Sample(new SampleRequest(start, options.MaxOutputTokens!.Value) { Generators = [random] }))
        {
            using (grid)
                ids = HostValues.Read(grid);
        }
        return ModelTokenizer.Bytes.Tokenizer.Decode(ids[prompt.Length..].Select(id => (int)id))!;
    }
}
