using LmKit.Conformance;
using Microsoft.Extensions.AI;

namespace LmKit.Core.Tests;

public sealed class Report24EmptyStopString
{
    [Fact]
    [NoTensorLeak]
    public void An_empty_stop_string_is_passed_over_in_a_text()
    {
        using var model = FixedModel.OfLetters(3, 2, 1);
        var generator = new TextGenerator(new AutoregressiveSampler(model), ModelTokenizer.Bytes);
        string Text(params string[] stops) => generator.Generate(["hello"], new() { MaxOutputTokens = 20, Seed = 1, StopSequences = stops })[0];
        Assert.Equal(20, Text().Length);
        Assert.Equal(Text(), Text(""));
        Assert.Equal(Text("b"), Text("", "b", ""));
        Assert.NotEqual(Text(), Text("", "b"));
    }

    [Fact]
    public async Task An_empty_stop_sequence_is_passed_over_in_a_chat()
    {
        using var model = FixedModel.OfLetters(3, 2, 1);
        using var client = model.AsChatClient(ModelTokenizer.Bytes);
        var answer = await client.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 20, StopSequences = [""] });
        Assert.Equal((20, ChatFinishReason.Length), (answer.Text.Length, answer.FinishReason));
    }
}
