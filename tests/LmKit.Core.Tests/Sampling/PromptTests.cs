using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public sealed class PromptTests
{
    [Theory]
    [InlineData(new long[] { 5, -7, 3 }, "row 0, column 1 holds -7")]
    [InlineData(new long[] { 5, -1, 3 }, "row 0, column 1 holds -1")]
    [InlineData(new long[] { -1, 11, 3 }, "row 0, column 1 holds 11")]
    [InlineData(new long[] { -2, 1, 3 }, "row 0, column 0 holds -2")]
    [InlineData(new long[] { -1, -1, -1 }, "Row 0 of the prompt has no token")]
    public void An_impossible_prompt_is_refused_with_its_place(long[] ids, string complaint)
    {
        using var model = new LanguageModelBuilder { VocabSize = 11, ModelDim = 8, LayerCount = 1 }.AddAttention().Build();
        using var prompt = tensor(ids, [1, ids.Length]);
        var error = Assert.Throws<ArgumentException>(() => model.CreateSampler().Sample(prompt, 2));
        Assert.Contains(complaint, error.Message, StringComparison.Ordinal);
    }
}
