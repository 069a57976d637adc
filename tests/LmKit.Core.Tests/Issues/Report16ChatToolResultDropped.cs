using System.ComponentModel;
using Microsoft.Extensions.AI;

namespace LmKit.Core.Tests;

public sealed class Report16ChatToolResultDropped
{
    // As published templates write calls, their results and the tools on offer.
    private const string WithTools = """
        {%- if tools -%}{%- for t in tools -%}[{{ t.function.name }}: {{ t.function.description }} {{ t.function.parameters | tojson }}]{%- endfor -%}{%- endif -%}
        {%- for m in messages -%}
        <{{ m.role }}>{{ m.content }}
        {%- if m.tool_calls is defined -%}{%- for c in m.tool_calls -%}({{ c.function.name }} {{ c.function.arguments | tojson }}){%- endfor -%}{%- endif -%}
        {%- endfor -%}
        """;

    private const string WithoutTools = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}";

    private static readonly ChatMessage[] Chat =
    [
        new(ChatRole.User, "weather?"),
        new(ChatRole.Assistant, [new TextContent("wait"), new FunctionCallContent("1", "get_weather", new Dictionary<string, object?> { ["town"] = "Bern" })]),
        new(ChatRole.Tool, [new FunctionResultContent("1", "17 degrees"), new FunctionResultContent("2", new { Wind = 3 })]),
    ];

    [Fact]
    public void A_template_with_a_place_for_calls_writes_calls_and_results()
    {
        var text = Written(WithTools, Chat);
        Assert.Equal("<user>weather?<assistant>wait(get_weather {\"town\": \"Bern\"})<tool>17 degrees<tool>{\"wind\":3}", text);
        Assert.Equal(text, ChatTemplate.Parse(WithTools).Render(Chat).Text);
    }

    [Fact]
    public void A_template_without_one_refuses_the_call_and_writes_results_alone()
    {
        var message = Assert.Throws<ArgumentException>(() => Written(WithoutTools, Chat)).Message;
        Assert.Contains("message 1 (assistant) without its tool calls", message, StringComparison.Ordinal);
        Assert.Equal("<user>weather?<tool>17 degrees", Written(WithoutTools, Chat[0], new ChatMessage(ChatRole.Tool, [new FunctionResultContent("1", "17 degrees")])));
    }

    [Theory]
    [InlineData("{% for m in messages if m.role != 'tool' %}{{ m.content }}{{ m.tool_calls }}{% endfor %}", "message 2 (tool)")]
    [InlineData("{% for m in messages if m.role != 'user' %}{{ m.content }}{{ m.tool_calls }}{% endfor %}", "message 0 (user)")]
    public void What_a_template_leaves_out_is_refused_with_its_message(string template, string place) =>
        Assert.Contains(place, Assert.Throws<ArgumentException>(() => Written(template, Chat)).Message, StringComparison.Ordinal);

    [Fact]
    public void What_published_templates_leave_out_on_purpose_is_theirs_to_decide()
    {
        const string SystemOfTheLastTurn = "{% set system = messages[0].content if messages[0].role == 'system' else '' %}{% for m in messages if m.role != 'system' %}{% if loop.last and m.role == 'user' %}{{ system }}{% endif %}[{{ m.content }}{{ m.tool_calls }}]{% endfor %}";
        Assert.DoesNotContain("be kind", Written(SystemOfTheLastTurn, [new(ChatRole.System, "be kind"), .. Chat]), StringComparison.Ordinal);
        ChatMessage call = new(ChatRole.Assistant, [new TextContent("Let me look."), .. Chat[1].Contents]);
        Assert.DoesNotContain("Let me look", Written("{% for m in messages %}{% if m.tool_calls %}{{ m.tool_calls }}{% else %}{{ m.content }}{% endif %}{% endfor %}", Chat[0], call, Chat[2]), StringComparison.Ordinal);
        Assert.Contains("None", Written("{% for m in messages %}{% if m['content'] is none %}None{{ m.tool_calls }}{% else %}{{ m.content }}{% endif %}{% endfor %}", Chat[0], new ChatMessage(ChatRole.Assistant, [Chat[1].Contents[^1]]), Chat[2]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_long_conversation_is_looked_at_in_few_renderings()
    {
        // Each message in another form than it was given: none is found by its words.
        var chat = Enumerable.Range(0, 400).Select(turn => new ChatMessage(turn % 2 == 0 ? ChatRole.User : ChatRole.Assistant, $"turn {turn}")).ToArray();
        var written = TemplateMessages.Of(chat);
        var renderings = 0;
        var template = ChatTemplate.Parse("{% for m in messages %}{{ m.content | upper }}{% endfor %}");
        TemplateMessages.CheckWhole(template.Render(written), written, others =>
        {
            renderings++;
            return template.Render(others);
        });
        Assert.InRange(renderings, 1, 2);
    }

    [Fact]
    public void Instructions_that_a_template_skips_are_refused()
    {
        ChatMessage[] chat = [new(ChatRole.System, "be kind"), new(ChatRole.User, "be kind")];
        var plain = new ChatTemplateFormat(ChatTemplate.Named("plain"), ModelTokenizer.Bytes);
        Assert.Contains("message 1 (user)", Assert.Throws<ArgumentException>(() => Written("{{ messages[0].content }}", chat[0], new(ChatRole.User, "hello"))).Message, StringComparison.Ordinal);
        Assert.Contains("message 0 (system)", Assert.Throws<ArgumentException>(() => plain.Encode([chat[0], new(ChatRole.User, "a")])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("chatml")]
    [InlineData("llama-2")]
    [InlineData("llama-3")]
    [InlineData("zephyr")]
    [InlineData("alpaca")]
    [InlineData("vicuna")]
    public void A_template_that_writes_everything_takes_what_looks_alike_changed_or_blank(string name)
    {
        var format = new ChatTemplateFormat(ChatTemplate.Named(name), ModelTokenizer.Bytes);
        Assert.NotEmpty(format.Encode([new(ChatRole.System, "a"), new(ChatRole.User, "a"), new(ChatRole.Assistant, " a\n"), new(ChatRole.User, " ")]));
        Assert.NotEmpty(new ChatTemplateFormat(ChatTemplate.Parse("{% for m in messages %}{{ m.content | upper | replace('A', 'bb') }}{% endfor %}"), ModelTokenizer.Bytes).Encode([new(ChatRole.User, "a"), new(ChatRole.User, "a")]));
    }

    [Fact]
    public void Tools_go_to_a_template_that_uses_them_and_are_refused_by_any_other()
    {
        var tool = AIFunctionFactory.Create(([Description("Where.")] string town) => town, "get_weather", "Looks outside.");
        ChatMessage[] chat = [new(ChatRole.User, "weather?")];
        var text = Decoded(Format(WithTools).Encode(chat, [tool]));
        Assert.StartsWith("[get_weather: Looks outside. {", text, StringComparison.Ordinal);
        Assert.Contains("\"town\"", text, StringComparison.Ordinal);
        Assert.EndsWith("]<user>weather?", text, StringComparison.Ordinal);
        Assert.Contains("get_weather", Assert.Throws<NotSupportedException>(() => Format(WithoutTools).Encode(chat, [tool])).Message, StringComparison.Ordinal);
        Assert.Contains("HostedWebSearchTool", Assert.Throws<NotSupportedException>(() => Format(WithTools).Encode(chat, [new HostedWebSearchTool()])).Message, StringComparison.Ordinal);
        Assert.Contains("get_weather", Assert.Throws<NotSupportedException>(() => ((IChatFormat)new PlainChatFormat(ModelTokenizer.Bytes)).Encode(chat, [tool])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_hands_a_requests_tools_to_the_template()
    {
        using var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = 8, LayerCount = 1 }.AddAttention().Build();
        using var client = model.AsChatClient(ModelTokenizer.Bytes, Format(WithTools));
        var options = new ChatOptions { MaxOutputTokens = 1, Tools = [AIFunctionFactory.Create(() => 1, "one")] };
        var bare = (await client.GetResponseAsync("a", new ChatOptions { MaxOutputTokens = 1 })).Usage!.InputTokenCount;
        Assert.True((await client.GetResponseAsync("a", options)).Usage!.InputTokenCount > bare + 5);
        options.ToolMode = ChatToolMode.None;
        Assert.Equal(bare, (await client.GetResponseAsync("a", options)).Usage!.InputTokenCount);
        using var plain = model.AsChatClient(ModelTokenizer.Bytes, Format(WithoutTools));
        options.ToolMode = ChatToolMode.Auto;
        await Assert.ThrowsAsync<NotSupportedException>(() => plain.GetResponseAsync("a", options));
    }

    [Fact]
    public void Contents_of_other_kinds_are_refused_by_kind_and_message()
    {
        AIContent[] contents = [new DataContent("data:image/png;base64,AAAA"), new UriContent("https://example.org/a.png", "image/png"), new ErrorContent("no"), new HostedFileContent("f")];
        foreach (var content in contents)
        {
            var message = Assert.Throws<ArgumentException>(() => Written(WithTools, Chat[0], new ChatMessage(ChatRole.User, [new TextContent("see"), content]))).Message;
            Assert.Contains($"Message 1 (user) holds {content.GetType().Name}", message, StringComparison.Ordinal);
        }
        Assert.Contains("Message 1 is null", Assert.Throws<ArgumentException>(() => Written(WithTools, Chat[0], null!)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Reasoning_goes_to_a_template_that_writes_it_and_others_leave_it_out()
    {
        ChatMessage thought = new(ChatRole.Assistant, [new TextReasoningContent("hm"), new TextContent("yes")]);
        Assert.Equal("[hm]yes", Written("{% for m in messages %}[{{ m.reasoning_content }}]{{ m.content }}{% endfor %}", thought));
        Assert.Equal("yes", Written("{% for m in messages %}{% if not loop.last %}{{ m.reasoning_content }}{% endif %}{{ m.content }}{% endfor %}", thought));
        Assert.Contains("yes", Written(WithTools, thought), StringComparison.Ordinal);
        Assert.Equal("<user>a", Written(WithTools, new ChatMessage(ChatRole.User, [new TextContent("a"), new UsageContent(new UsageDetails())])));
    }

    private static ChatTemplateFormat Format(string template) => new(ChatTemplate.Parse(template), ModelTokenizer.Bytes);

    private static string Written(string template, params ChatMessage[] chat) => Decoded(Format(template).Encode(chat));

    private static string Decoded(IReadOnlyList<int> ids) => ModelTokenizer.Bytes.Tokenizer.Decode(ids)!;
}
