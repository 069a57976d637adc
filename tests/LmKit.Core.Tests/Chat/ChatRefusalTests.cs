using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace LmKit.Core.Tests;

/// <summary>What a chat client cannot do it refuses by name, before it computes anything.</summary>
public sealed class ChatRefusalTests : IDisposable
{
    private readonly FixedModel model = FixedModel.OfLetters(1, 1);

    public ChatRefusalTests() => model.OnStep = () => Assert.Fail("It computed.");

    public static TheoryData<string> Impossible => [.. ImpossibleRequests.Keys];

    private static Dictionary<string, Action<ChatOptions>> ImpossibleRequests => new()
    {
        ["ConversationId"] = options => options.ConversationId = "7",
        ["ResponseFormat"] = options => options.ResponseFormat = ChatResponseFormat.Json,
        ["ToolMode"] = options => options.ToolMode = ChatToolMode.RequireAny,
        ["Tools"] = options => options.Tools = [AIFunctionFactory.Create(() => 1, "one")],
        ["Reasoning"] = options => options.Reasoning = new ReasoningOptions { Effort = ReasoningEffort.High },
        ["AdditionalProperties"] = options => options.AdditionalProperties = new() { ["min_p"] = 0.5 },
        ["RawRepresentationFactory"] = options => options.RawRepresentationFactory = _ => "raw",
        ["AllowBackgroundResponses"] = options => options.AllowBackgroundResponses = true,
        ["ContinuationToken"] = options => options.ContinuationToken = ResponseContinuationToken.FromBytes(new byte[] { 1 }),
        ["AllowMultipleToolCalls"] = options => (options.AllowMultipleToolCalls, options.Tools) = (false, [AIFunctionFactory.Create(() => 1, "one")]),
    };

    public static TheoryData<string, float> OutOfRange => new()
    {
        { "Temperature", float.NaN }, { "Temperature", -1 }, { "Temperature", float.PositiveInfinity }, { "Temperature", float.NegativeInfinity },
        { "TopP", float.NaN }, { "TopP", -0.1f }, { "TopP", 1.1f }, { "TopP", float.PositiveInfinity },
        { "FrequencyPenalty", float.NaN }, { "FrequencyPenalty", float.PositiveInfinity }, { "FrequencyPenalty", -1e9f },
        { "PresencePenalty", float.NaN }, { "PresencePenalty", float.NegativeInfinity }, { "PresencePenalty", 1e9f },
        { "TopK", -1 }, { "MaxOutputTokens", -1 },
    };

    public void Dispose() => model.Dispose();

    [Theory]
    [MemberData(nameof(Impossible))]
    public async Task A_request_for_what_it_cannot_do_is_refused_by_the_options_name(string name)
    {
        using var client = Client();
        var options = new ChatOptions();
        ImpossibleRequests[name](options);
        var error = await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync("a", options));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_models_name_is_refused_with_both_names_and_its_own_is_taken()
    {
        model.OnStep = null;
        using var client = model.AsChatClient(ModelTokenizer.Bytes, options: new() { ModelId = "tiny" });
        var message = (await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync("a", new ChatOptions { ModelId = "gpt-9" }))).Message;
        Assert.Contains("'gpt-9'", message, StringComparison.Ordinal);
        Assert.Contains("'tiny'", message, StringComparison.Ordinal);
        Assert.Equal("tiny", (await client.GetResponseAsync("a", new ChatOptions { ModelId = "tiny", MaxOutputTokens = 1 })).ModelId);
    }

    [Fact]
    public async Task What_asks_for_nothing_is_taken()
    {
        model.OnStep = null;
        using var client = Client();
        var options = new ChatOptions
        {
            MaxOutputTokens = 1,
            ResponseFormat = ChatResponseFormat.Text,
            ToolMode = ChatToolMode.None,
            Tools = [AIFunctionFactory.Create(() => 1, "one")],
            RawRepresentationFactory = _ => null,
            AdditionalProperties = [],
            AllowBackgroundResponses = false,
            StopSequences = null,
        };
        Assert.Equal(1, (await client.GetResponseAsync("a", options)).Usage!.OutputTokenCount);
    }

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public async Task A_number_out_of_its_range_is_refused_by_the_options_name(string name, float value)
    {
        using var client = Client();
        var options = new ChatOptions();
        Set(options, name, value);
        Assert.Equal(name, (await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => client.GetResponseAsync("a", options))).ParamName);

        var defaults = new LanguageModelChatOptions();
        Set(defaults.Defaults, name, value);
        Assert.Equal(name, Assert.Throws<ArgumentOutOfRangeException>(() => model.AsChatClient(ModelTokenizer.Bytes, options: defaults)).ParamName);
    }

    [Theory]
    [InlineData(nameof(GenerationOptions.MinP), double.NaN)]
    [InlineData(nameof(GenerationOptions.RepetitionPenalty), 0.0)]
    [InlineData(nameof(GenerationOptions.RepetitionPenalty), double.NaN)]
    [InlineData(nameof(LanguageModelChatOptions.MaxParallelAnswers), 0)]
    public void A_default_out_of_its_range_is_refused_by_its_name(string name, object value)
    {
        var defaults = new LanguageModelChatOptions();
        if (typeof(LanguageModelChatOptions).GetProperty(name) is { } own)
            own.SetValue(defaults, value);
        else
            typeof(GenerationOptions).GetProperty(name)!.SetValue(defaults.Defaults, value);
        Assert.Equal(name, Assert.Throws<ArgumentOutOfRangeException>(() => model.AsChatClient(ModelTokenizer.Bytes, options: defaults)).ParamName);
    }

    [Fact]
    public async Task Missing_messages_tools_and_stop_sequences_are_refused_with_their_places()
    {
        using var client = Client();
        await RefusedAsync<ArgumentException>("Message 1", () => client.GetResponseAsync([new ChatMessage(ChatRole.User, "a"), null!]));
        await RefusedAsync<ArgumentException>("StopSequences[1]", () => client.GetResponseAsync("a", new ChatOptions { StopSequences = ["x", null!] }));
        await RefusedAsync<ArgumentException>("Tools[0]", () => client.GetResponseAsync("a", new ChatOptions { Tools = [null!] }));
        await RefusedAsync<ArgumentException>("no token", () => client.GetResponseAsync(""));
        await RefusedAsync<ArgumentException>("no token", () => client.GetResponseAsync([new ChatMessage(ChatRole.User, (string?)null)]));
        await Assert.ThrowsAsync<ArgumentNullException>(() => client.GetResponseAsync((IEnumerable<ChatMessage>)null!));
    }

    [Fact]
    public async Task Contents_that_plain_text_has_no_place_for_are_refused_by_their_kind()
    {
        using var client = Client();
        AIContent[] contents =
        [
            new DataContent("data:image/png;base64,AAAA"),
            new UriContent("https://example.org/a.png", "image/png"),
            new FunctionCallContent("1", "weather"),
            new FunctionResultContent("1", "17 degrees"),
            new TextReasoningContent("hm"),
            new ErrorContent("no"),
            new HostedFileContent("f"),
        ];
        foreach (var content in contents)
        {
            await RefusedAsync<ArgumentException>(content.GetType().Name, () => client.GetResponseAsync([new ChatMessage(ChatRole.User, "see"), new ChatMessage(ChatRole.User, [new TextContent("this"), content])]));
            await RefusedAsync<ArgumentException>("Message 1", () => client.GetResponseAsync([new ChatMessage(ChatRole.User, "see"), new ChatMessage(ChatRole.Tool, [content])]));
        }
    }

    [Fact]
    public async Task Counts_of_tokens_in_an_earlier_answer_are_no_part_of_what_was_said()
    {
        model.OnStep = null;
        using var client = Client();
        var answer = await client.GetResponseAsync([new ChatMessage(ChatRole.Assistant, [new TextContent("abc"), new UsageContent(new UsageDetails())])], new ChatOptions { MaxOutputTokens = 1 });
        Assert.Equal(3, answer.Usage!.InputTokenCount);
    }

    [Fact]
    public async Task A_conversation_that_is_too_long_says_so_in_tokens_and_messages_before_it_computes()
    {
        using var small = new FixedModel(model.Values) { ContextLength = 8, OnStep = () => Assert.Fail("It computed.") };
        using var client = small.AsChatClient(ModelTokenizer.Bytes);
        var error = await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync([new ChatMessage(ChatRole.User, "hello"), new ChatMessage(ChatRole.User, "you")], new ChatOptions { Instructions = "be" }));
        Assert.Contains("12 tokens in 3 messages", error.Message, StringComparison.Ordinal);
        Assert.Contains("8 tokens at most", error.Message, StringComparison.Ordinal);
    }

    private static async Task RefusedAsync<T>(string word, Func<Task> ask)
        where T : Exception =>
        Assert.Contains(word, (await Assert.ThrowsAsync<T>(ask)).Message, StringComparison.Ordinal);

    private static void Set(object options, string name, float value)
    {
        var property = options.GetType().GetProperty(name)!;
        property.SetValue(options, Convert.ChangeType(value, Nullable.GetUnderlyingType(property.PropertyType)!, CultureInfo.InvariantCulture));
    }

    private IChatClient Client() => model.AsChatClient(ModelTokenizer.Bytes);
}
