using Microsoft.Extensions.AI;

namespace LmKit.Core.Tests;

public sealed class Report31PenaltyThatIsNoNumber
{
    [Theory]
    [InlineData(float.NaN, 0, "FrequencyPenalty")]
    [InlineData(float.PositiveInfinity, 0, "FrequencyPenalty")]
    [InlineData(0, float.PositiveInfinity, "PresencePenalty")]
    [InlineData(0, float.NaN, "PresencePenalty")]
    public async Task It_is_refused_by_its_name(float frequency, float presence, string name)
    {
        using var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = 8, LayerCount = 1 }.AddAttention(attention => attention.HeadCount = 2).Build();
        using var client = model.AsChatClient(ModelTokenizer.Bytes);
        var options = new ChatOptions { FrequencyPenalty = frequency, PresencePenalty = presence, MaxOutputTokens = 3 };
        Assert.Equal(name, (await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => client.GetResponseAsync("hi", options))).ParamName);
    }
}
