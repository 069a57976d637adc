namespace LmKit.Tuning.Tests;

public class ExampleEncoderTests
{
    [Fact]
    public void Prompt_and_response_are_encoded_apart_and_only_the_response_counts()
    {
        var example = Encoder(new ExampleOptions { BeginId = 1, EndId = 2 }).Encode("ab", "cd")!;

        Assert.Equal([1, 'a', 'b', ' ', 'c', 'd', 2], example.Tokens);
        Assert.Equal([false, false, false, true, true, true, true], example.Targets);
    }

    [Theory]
    [InlineData("ab", ", cd", "ab, cd")]
    [InlineData("ab ", "cd", "ab cd")]
    [InlineData("", "cd", "cd")]
    [InlineData("ab", "\ncd", "ab\ncd")]
    public void A_blank_comes_between_words_only(string prompt, string response, string whole) =>
        Assert.Equal(whole.Select(letter => (int)letter), Encoder(new ExampleOptions()).Encode(prompt, response)!.Tokens);

    [Fact]
    public void A_response_cut_off_by_its_teacher_has_no_end_to_learn() =>
        Assert.DoesNotContain(2, Encoder(new ExampleOptions { EndId = 2 }).Encode("a", "b", isTruncated: true)!.Tokens);

    [Fact]
    public void What_is_too_long_loses_the_end_of_the_response_then_the_start_of_the_prompt()
    {
        var options = new ExampleOptions { MaxLength = 10, MinResponseTokens = 3, BeginId = 1, EndId = 2 };
        var encoder = Encoder(options);
        var (prompt, response) = (Enumerable.Range(100, 8).ToArray(), Enumerable.Range(200, 9).ToArray());

        Assert.Equal([1, 100, 101, 102, 103, 200, 201, 202, 203, 204], encoder.Encode(prompt[..4], response)!.Tokens);
        var cut = encoder.Encode(prompt, response)!;
        Assert.Equal([1, 102, 103, 104, 105, 106, 107, 200, 201, 202], cut.Tokens);
        Assert.Equal(3, cut.TargetCount);
    }

    [Fact]
    public void Without_a_token_to_learn_there_is_no_example()
    {
        Assert.Null(Encoder(new ExampleOptions()).Encode("abc", ""));
        Assert.Null(Encoder(new ExampleOptions()).Encode("", "a"));
    }

    [Fact]
    public void All_tokens_can_be_learned() =>
        Assert.Equal(3, Encoder(new ExampleOptions { LossOn = LossTarget.All }).Encode("a", " b c"[..2] + "d")!.TargetCount);

    private static ExampleEncoder Encoder(ExampleOptions options) => new(ModelTokenizer.Bytes, options);
}
