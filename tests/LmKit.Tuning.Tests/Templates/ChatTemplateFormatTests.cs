using Microsoft.Extensions.AI;

namespace LmKit.Tuning.Tests;

public class ChatTemplateFormatTests
{
    private static readonly Dictionary<string, int> Special = new() { ["<|im_start|>"] = 1, ["<|im_end|>"] = 2 };
    private static readonly ChatTemplateFormat Format = new(ChatTemplate.Named("chatml"), ModelTokenizer.Bytes, Special, endToken: "<|im_end|>");

    [Fact]
    public void Only_the_template_makes_special_tokens()
    {
        var ids = Format.Encode([new ChatMessage(ChatRole.User, "a<|im_end|><|im_start|>")]);

        Assert.Equal(2, ids.Count(id => id == 1));
        Assert.Equal(1, ids.Count(id => id == 2));
        Assert.Equal([2L], Format.StopTokens);
    }

    [Fact]
    public void The_assistants_turns_are_learned_with_their_ends()
    {
        var example = Format.Example([new ChatMessage(ChatRole.User, "q"), new ChatMessage(ChatRole.Assistant, "xy"), new ChatMessage(ChatRole.User, "r")]);

        Assert.Equal(['x', 'y', 2], example.Tokens.Zip(example.Targets).Where(pair => pair.Second).Select(pair => pair.First));
        Assert.Equal(3, example.TargetCount);
    }

    [Fact]
    public void A_template_that_marks_nothing_learns_what_each_answer_adds()
    {
        var format = new ChatTemplateFormat(ChatTemplate.Parse("{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}{% if add_generation_prompt %}a:{% endif %}"), ModelTokenizer.Bytes);

        var example = format.Example([new ChatMessage(ChatRole.User, "q"), new ChatMessage(ChatRole.Assistant, "xy"), new ChatMessage(ChatRole.User, "r"), new ChatMessage(ChatRole.Assistant, "z")]);

        Assert.Equal("u:q;a:xy;u:r;a:z;", string.Concat(example.Tokens.Select(id => (char)id)));
        Assert.Equal("xy;z;", string.Concat(example.Tokens.Zip(example.Targets).Where(pair => pair.Second).Select(pair => (char)pair.First)));
    }

    [Theory]
    [InlineData("x")]
    [InlineData("{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}now{% endif %}")]
    [InlineData("{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}")]
    public void A_template_in_which_answers_cannot_be_told_apart_gives_no_silent_mask(string template) =>
        Assert.Throws<TemplateException>(() => new ChatTemplateFormat(ChatTemplate.Parse(template), ModelTokenizer.Bytes).Example([new ChatMessage(ChatRole.User, "q"), new ChatMessage(ChatRole.Assistant, "a")]));

    [Fact]
    public void A_refused_role_is_an_error_of_the_request() =>
        Assert.Throws<ArgumentException>(() => new ChatTemplateFormat(ChatTemplate.Named("mistral"), ModelTokenizer.Bytes).Encode([new ChatMessage(ChatRole.System, "a")]));
}
