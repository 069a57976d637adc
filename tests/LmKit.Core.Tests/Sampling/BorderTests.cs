using LmKit.Conformance;
using Microsoft.Extensions.AI;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Texts that outgrow the length up to which a carried state can be gone on with.</summary>
[NoTensorLeak]
public sealed class BorderTests
{
    public static TheoryData<string> Scalings => ["dynamic", "long"];

    [Theory]
    [MemberData(nameof(Scalings))]
    public void A_text_goes_on_past_the_border_as_if_it_were_read_anew_for_each_token(string scaling)
    {
        using var scope = NewDisposeScope();
        using var model = Model(scaling);
        var prompt = tensor(new long[] { -1, -1, -1, 5, -1, 3, 2, 9, 4, 7, 1, 2 }, [3, 4]); // each reaches the border at another step
        Tensor? last = null;
        foreach (var grid in new AutoregressiveSampler(model, new AutoregressiveSamplerOptions { Temperature = 0 }).Sample(prompt, 9))
        {
            last?.Dispose();
            last = grid;
        }
        for (var row = 0; row < 3; row++)
            Close.Check($"row {row}", Anew(model, prompt[row], 9), last![row]);
        last!.Dispose();
    }

    [Theory]
    [MemberData(nameof(Scalings))]
    public async Task Text_and_chat_go_on_past_the_border(string scaling)
    {
        using var model = Model(scaling, 256);
        var text = new TextGenerator(model.CreateSampler(), ModelTokenizer.Bytes).Generate(["abc"], new() { MaxOutputTokens = 12, Temperature = 0 })[0];
        using var client = model.AsChatClient(ModelTokenizer.Bytes);
        var answer = await client.GetResponseAsync("abc", new ChatOptions { MaxOutputTokens = 12, Temperature = 0 });
        Assert.Equal((text, 12L), (answer.Text, answer.Usage!.OutputTokenCount));
    }

    private static Tensor Anew(LanguageModel model, Tensor row, long length)
    {
        for (var step = 0L; step < length; step++)
        {
            var valid = row.masked_select(row.ge(0)).unsqueeze(0);
            row = cat([row, model.call(valid, null)[0, -1].argmax().view(1)]);
        }
        return row;
    }

    private static LanguageModel Model(string scaling, long vocabulary = 11)
    {
        var builder = new LanguageModelBuilder { VocabSize = vocabulary, ModelDim = 16, LayerCount = 2, Dtype = ScalarType.Float64 };
        builder.Options.InitializerRange = 0.4;
        return builder
            .AddAttention(attention => (attention.HeadCount, attention.HeadDim) = (2, 8))
            .AddRotary(rotary => rotary.Scaling = scaling == "long" ? ScaledPositions.Long(7) : ScaledPositions.Dynamic(7))
            .Build();
    }
}
