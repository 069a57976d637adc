using Microsoft.Extensions.AI;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Every option of a chat request, of the client's defaults and of the model's configured sampler reaches the draw.</summary>
public sealed class ChatSamplingTests
{
    private const int Length = 120;

    // Of the letters a to f.
    private static readonly double[] Letters = [.. new[] { 0.30, 0.22, 0.18, 0.14, 0.10, 0.06 }.Select(share => Math.Log(share))];

    public static TheoryData<string> Requests => [.. new[] { "Temperature", "TopP", "TopK", "FrequencyPenalty", "PresencePenalty" }];

    public static TheoryData<string> Defaults => [.. Configured.Keys];

    private static Dictionary<string, Action<AutoregressiveSamplerOptions>> Configured => new()
    {
        ["Temperature"] = options => options.Temperature = 0.25,
        ["TopP"] = options => options.TopP = 0.5,
        ["TopK"] = options => options.TopK = 2,
        ["MinP"] = options => options.MinP = 0.5,
        ["RepetitionPenalty"] = options => options.RepetitionPenalty = 3,
        ["FrequencyPenalty"] = options => options.FrequencyPenalty = 0.25,
        ["PresencePenalty"] = options => options.PresencePenalty = 1.5,
    };

    private static Dictionary<string, Action<LanguageModelChatOptions>> OfClient => new()
    {
        ["Temperature"] = options => options.Defaults.Temperature = 0.25,
        ["TopP"] = options => options.Defaults.TopP = 0.5,
        ["TopK"] = options => options.Defaults.TopK = 2,
        ["MinP"] = options => options.Defaults.MinP = 0.5,
        ["RepetitionPenalty"] = options => options.Defaults.RepetitionPenalty = 3,
        ["FrequencyPenalty"] = options => options.Defaults.FrequencyPenalty = 0.25,
        ["PresencePenalty"] = options => options.Defaults.PresencePenalty = 1.5,
    };

    private static Dictionary<string, Action<ChatOptions>> OfRequest => new()
    {
        ["Temperature"] = options => options.Temperature = 0.25f,
        ["TopP"] = options => options.TopP = 0.5f,
        ["TopK"] = options => options.TopK = 2,
        ["FrequencyPenalty"] = options => options.FrequencyPenalty = 0.25f,
        ["PresencePenalty"] = options => options.PresencePenalty = 1.5f,
    };

    [Theory]
    [MemberData(nameof(Defaults))]
    public async Task The_models_configured_sampler_answers(string name)
    {
        var configured = await AnswerAsync(Configured[name]);
        Assert.Equal(Sampled(Configured[name]), configured);
        Assert.NotEqual(await AnswerAsync(), configured);
    }

    [Theory]
    [MemberData(nameof(Defaults))]
    public async Task A_default_of_the_client_goes_over_the_models_own(string name)
    {
        var asked = await AnswerAsync(options => { }, OfClient[name]);
        Assert.Equal(Sampled(Configured[name]), asked);
        Assert.NotEqual(await AnswerAsync(), asked);
        Assert.Equal(asked, await AnswerAsync(Other(name), OfClient[name]));
    }

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task A_request_goes_over_the_clients_defaults_and_the_models_own(string name)
    {
        var asked = await AnswerAsync(request: OfRequest[name]);
        Assert.Equal(Sampled(Configured[name]), asked);
        Assert.NotEqual(await AnswerAsync(), asked);
        Assert.Equal(asked, await AnswerAsync(Other(name), request: OfRequest[name]));
        Assert.Equal(asked, await AnswerAsync(client: OtherOfClient(name), request: OfRequest[name]));
    }

    [Fact]
    public async Task What_a_request_leaves_open_is_as_it_was_configured()
    {
        void Both(AutoregressiveSamplerOptions options) => (options.TopK, options.Temperature) = (3, 0.5);
        Assert.Equal(Sampled(Both), await AnswerAsync(options => options.TopK = 3, request: options => options.Temperature = 0.5f));
        Assert.Equal(Sampled(Both), await AnswerAsync(options => options.TopK = 3, options => options.Defaults.Temperature = 0.5));
    }

    [Fact]
    public async Task A_models_configuration_is_what_answers()
    {
        using var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = 16, LayerCount = 1 }.AddAttention().AddAutoregressiveSampler(sampler => sampler.Temperature = 0).Build();
        using var client = model.AsChatClient(ModelTokenizer.Bytes);
        var answers = new HashSet<string>();
        for (var seed = 0; seed < 4; seed++)
            answers.Add((await client.GetResponseAsync("hi", new ChatOptions { Seed = seed, MaxOutputTokens = 8 })).Text);
        Assert.Single(answers);
    }

    [Fact]
    public async Task A_configured_stop_token_ends_the_answer_and_is_no_text()
    {
        using var model = FixedModelOf(options => (options.Temperature, options.StopTokens) = (0, ['a']));
        using var client = model.AsChatClient(ModelTokenizer.Bytes);
        var answer = await client.GetResponseAsync("x");
        Assert.Equal(("", ChatFinishReason.Stop, 1L), (answer.Text, answer.FinishReason, answer.Usage!.OutputTokenCount));
    }

    [Fact]
    public async Task Filters_of_the_configured_sampler_and_of_the_client_both_apply()
    {
        using var model = new FixedModel(FixedModel.OfLetters(Letters).Values) { Configured = own => new AutoregressiveSampler(own, null, Forbid('a')) };
        using var client = model.AsChatClient(ModelTokenizer.Bytes, options: new LanguageModelChatOptions { Defaults = new() { Filters = [Forbid('b')] } });
        var text = (await client.GetResponseAsync("x", new ChatOptions { Seed = 1, MaxOutputTokens = Length })).Text;
        Assert.Equal("cdef", string.Concat(text.Distinct().Order()));
    }

    [Fact]
    public async Task Ids_that_the_tokenizer_does_not_have_are_never_drawn_but_for_stop_tokens()
    {
        using var model = new FixedModel([.. FixedModel.OfLetters(-1, -1).Values, 5, 4, 5]);
        using var client = model.AsChatClient(new ModelTokenizer(new ByteTokenizer(), 256, 257));
        var answer = await client.GetResponseAsync("x", new ChatOptions { Temperature = 0, MaxOutputTokens = 5 });
        Assert.Equal((ChatFinishReason.Stop, ""), (answer.FinishReason, answer.Text));

        using var endless = model.AsChatClient(ModelTokenizer.Bytes);
        Assert.Equal("aaaaa", (await endless.GetResponseAsync("x", new ChatOptions { Temperature = 0, MaxOutputTokens = 5 })).Text);
    }

    [Fact]
    public async Task Ids_that_only_the_format_knows_are_drawn_and_written_as_their_text()
    {
        using var model = new FixedModel([.. FixedModel.OfLetters(-1, -1).Values, 4, 5]);
        using var client = model.AsChatClient(ModelTokenizer.Bytes, new FormatOfThoughts());
        Assert.Equal("</think></think>", (await client.GetResponseAsync("x", new ChatOptions { Temperature = 0, MaxOutputTokens = 2 })).Text);
    }

    [Fact]
    public async Task A_sampler_of_another_kind_answers_and_refuses_by_name_what_it_has_no_place_for()
    {
        using var model = new FixedModel(FixedModel.OfLetters(Letters).Values) { Configured = _ => new UniformSampler(256) };
        using var client = model.AsChatClient(ModelTokenizer.Bytes);
        var answer = await client.GetResponseAsync("x", new ChatOptions { Seed = 1, MaxOutputTokens = 9 });
        Assert.Equal(9, answer.Usage!.OutputTokenCount);
        Assert.Equal(ChatFinishReason.Length, answer.FinishReason);
        foreach (var (name, set) in OfRequest)
        {
            var options = new ChatOptions();
            set(options);
            Assert.StartsWith($"UniformSampler cannot obey {name} = ", (await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync("x", options))).Message, StringComparison.Ordinal);
        }
        foreach (var (name, set) in OfClient)
        {
            var options = new LanguageModelChatOptions();
            set(options);
            Assert.StartsWith($"UniformSampler cannot obey {name} = ", Assert.Throws<NotSupportedException>(() => model.AsChatClient(ModelTokenizer.Bytes, options: options)).Message, StringComparison.Ordinal);
        }
        Assert.StartsWith("UniformSampler cannot obey Filters = ", Assert.Throws<NotSupportedException>(() => model.AsChatClient(ModelTokenizer.Bytes, options: new() { Defaults = new() { Filters = [TopK.Filter(1)] } })).Message, StringComparison.Ordinal);
    }

    private static LogitFilter Forbid(char letter) => (logits, _, _) =>
    {
        var kept = logits.clone();
        kept[0, (long)letter] = tensor(double.NegativeInfinity);
        return kept;
    };

    // The same option at a value that would give another text.
    private static Action<AutoregressiveSamplerOptions> Other(string name) => options =>
        typeof(AutoregressiveSamplerOptions).GetProperty(name)!.SetValue(options, name switch { "TopK" => (object)1, "Temperature" => 3.0, "TopP" => 0.9, "MinP" => 0.9, _ => 9.0 });

    private static Action<LanguageModelChatOptions> OtherOfClient(string name) => options =>
        typeof(GenerationOptions).GetProperty(name)!.SetValue(options.Defaults, name switch { "TopK" => (object)1, "Temperature" => 3.0, "TopP" => 0.9, _ => 9.0 });

    private static FixedModel FixedModelOf(Action<AutoregressiveSamplerOptions>? configured) =>
        new(FixedModel.OfLetters(Letters).Values) { Configured = configured is null ? null : own => new AutoregressiveSampler(own, Of(configured)) };

    private static AutoregressiveSamplerOptions Of(Action<AutoregressiveSamplerOptions> set)
    {
        var options = new AutoregressiveSamplerOptions();
        set(options);
        return options;
    }

    private static async Task<string> AnswerAsync(Action<AutoregressiveSamplerOptions>? configured = null, Action<LanguageModelChatOptions>? client = null, Action<ChatOptions>? request = null)
    {
        using var model = FixedModelOf(configured);
        var defaults = new LanguageModelChatOptions();
        client?.Invoke(defaults);
        var options = new ChatOptions { Seed = 5, MaxOutputTokens = Length };
        request?.Invoke(options);
        using var chat = model.AsChatClient(ModelTokenizer.Bytes, options: defaults);
        return (await chat.GetResponseAsync("abc", options)).Text;
    }

    // What the sampler itself draws.
    private static string Sampled(Action<AutoregressiveSamplerOptions> set)
    {
        using var model = FixedModelOf(null);
        return new TextGenerator(new AutoregressiveSampler(model, Of(set)), ModelTokenizer.Bytes).Generate(["abc"], new GenerationOptions { MaxOutputTokens = Length, Seed = 5 })[0];
    }

    // Knows id 257 of a model of 258, whose tokenizer has 256; 256 is nobody's.
    private sealed class FormatOfThoughts : IChatFormat
    {
        public IReadOnlyList<long> StopTokens => [];

        public IReadOnlyDictionary<long, string> SpecialTokens { get; } = new Dictionary<long, string> { [257] = "</think>" };

        public IReadOnlyList<int> Encode(IReadOnlyList<ChatMessage> messages) => [1];
    }
}
