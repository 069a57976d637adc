using Microsoft.Extensions.AI;

namespace LmKit.Core.Tests;

public sealed class Report37PositionsRunOutInAnAnswer
{
    [Fact]
    public async Task The_answer_keeps_what_could_be_said_and_ends_by_length()
    {
        var builder = new LanguageModelBuilder { VocabSize = 256, ModelDim = 16, LayerCount = 1 };
        using var model = builder.AddAttention(attention => attention.HeadCount = 2).AddLearnedPositions(8).Build();
        using var client = model.AsChatClient(ModelTokenizer.Bytes);

        var answer = await client.GetResponseAsync("hello", new ChatOptions { Seed = 1 });

        Assert.Equal((ChatFinishReason.Length, 4L), (answer.FinishReason, answer.Usage!.OutputTokenCount));
        Assert.NotEmpty(answer.Text);
        var last = await client.GetResponseAsync("12345678", new ChatOptions { Seed = 1 });
        Assert.Equal((ChatFinishReason.Length, 1L), (last.FinishReason, last.Usage!.OutputTokenCount));
        Assert.Contains("9 tokens in 1 messages", (await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync("123456789"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_shorter_answer_ends_as_it_was_asked_to()
    {
        using var model = new FixedModel([.. FixedModel.OfLetters(9).Values, 0]) { ContextLength = 8 };
        using var client = model.AsChatClient(new ModelTokenizer(new ByteTokenizer(), 256, 'a'));
        Assert.Equal(ChatFinishReason.Stop, (await client.GetResponseAsync("12345678")).FinishReason);
    }
}
