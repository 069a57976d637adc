namespace LmKit.Core.Tests;

public sealed class KeyPatternTests
{
    [Fact]
    public void Numbers_in_braces_are_found_and_filled_in_and_only_layers_shift()
    {
        var (from, to) = (new KeyPattern("blocks.{l}.part.{k}.w"), new KeyPattern("layers.{l}.p{k}"));
        var numbers = from.Match("blocks.12.part.3.w")!;

        Assert.Equal([new("k", 3), new("l", 12)], numbers);
        Assert.Equal("layers.12.p3", to.Fill(numbers, 0));
        Assert.Equal("layers.11.p3", to.Fill(numbers, -1));
        Assert.Equal("layers.14.p3", to.Fill(numbers, 2));
    }

    [Theory]
    [InlineData("blocks..part.3.w")]
    [InlineData("blocks.1.part.3.w2")]
    [InlineData("xblocks.1.part.3.w")]
    [InlineData("blocks.1.part.3xw")]
    [InlineData("blocks.-1.part.3.w")]
    [InlineData("blocks.1234567890.part.3.w")]
    public void Other_names_do_not_match(string name) => Assert.Null(new KeyPattern("blocks.{l}.part.{k}.w").Match(name));
}
