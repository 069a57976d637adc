using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public class LinearSiteTests
{
    [Theory]
    [InlineData("layers.3.mixer.q_proj", true)]
    [InlineData("q_proj", true)]
    [InlineData("mixer.q_proj", true)]
    [InlineData("mixer.*", true)]
    [InlineData("*", true)]
    [InlineData("*.mixer.*", true)]
    [InlineData("layers.*.mixer.q_proj", true)]
    [InlineData("layers.*.*.*", true)]
    [InlineData("proj", false)]
    [InlineData("q_*", false)]
    [InlineData("mlp.*", false)]
    [InlineData("layers.3.mixer", false)]
    [InlineData("layers.2.mixer.q_proj", false)]
    [InlineData("model.layers.3.mixer.q_proj", false)]
    [InlineData("Q_proj", false)]
    [InlineData("mixer.", false)]
    public void A_pattern_names_the_last_segments_with_a_star_for_any_one(string pattern, bool expected)
    {
        using var random = new Generator(1);
        var site = new LinearSite("layers.3.mixer.q_proj", 3, 4, 4, true, 0.02, new ParameterFactory(random));

        Assert.Equal(expected, site.Matches(pattern));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    public void An_empty_pattern_is_refused(string pattern)
    {
        using var random = new Generator(1);
        var site = new LinearSite("layers.3.mixer.q_proj", 3, 4, 4, true, 0.02, new ParameterFactory(random));

        Assert.ThrowsAny<ArgumentException>(() => site.Matches(pattern));
    }
}
