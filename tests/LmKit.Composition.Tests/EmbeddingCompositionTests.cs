using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>A text has the same vector alone as in any batch, whatever the layers are made of.</summary>
public class EmbeddingCompositionTests
{
    public static TheoryData<string> Lines => ["h3 and attention", "monarch linears", "s4d", "shift", "selective scan", "long convolution", "lambda mask", "lambda mask, alibi", "sliding window", "packed linears", "lora", "bidirectional lora"];

    [Theory]
    [MemberData(nameof(Lines))]
    public async Task A_text_alone_has_the_vector_that_it_has_in_a_padded_batch(string line)
    {
        var builder = new LanguageModelBuilder { VocabSize = 256, ModelDim = 24, LayerCount = 3 };
        (builder.Options.InitializerRange, builder.Options.Seed, builder.Options.IsBidirectional) = (0.2, 3, line == "bidirectional lora");
        using var model = Add(builder, line).Build();
        Stir(model);
        await EmbeddingLaws.CheckAsync(model, ModelTokenizer.Bytes, longest: 150);
    }

    // Adapters start at zero.
    private static void Stir(LanguageModel model)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        foreach (var (_, parameter) in model.named_parameters().Where(entry => entry.name.Contains(".lora_", StringComparison.Ordinal)))
            parameter.copy_(randn(parameter.shape, generator: random) * 0.2);
    }

    private static LanguageModelBuilder Add(LanguageModelBuilder builder, string line) => line switch
    {
        "h3 and attention" => Hybrid(builder),
        "monarch linears" => Hybrid(builder).AddMonarchLinear(monarch => monarch.BlockCount = 2),
        "s4d" => Hybrid(builder).AddS4D(s4d => s4d.StateDim = 8, layers: [0, 2]),
        "shift" => Hybrid(builder).AddShift(shift => shift.StateDim = 8, layers: [0, 2]),
        "selective scan" => Hybrid(builder).AddSelectiveScan(layers: [0, 2]),
        "long convolution" => Hybrid(builder).AddLongConv(conv => conv.KernelLength = 16, layers: [0, 2]),
        "lambda mask" => Plain(builder).AddRotary().AddLambdaMask(mask => (mask.GlobalLength, mask.LocalLength) = (2, 8)),
        "lambda mask, alibi" => Plain(builder).AddAlibi().AddLambdaMask(mask => (mask.GlobalLength, mask.LocalLength) = (3, 30)),
        "sliding window" => Plain(builder).AddRotary().AddSlidingWindowMask(mask => mask.Window = 20),
        "packed linears" => Plain(builder).AddRotary().AddPackedLinear(),
        _ => Plain(builder).AddRotary().UseLora(lora => lora.Rank = 2),
    };

    private static LanguageModelBuilder Hybrid(LanguageModelBuilder builder) => builder.AddH3(h3 => h3.StateDim = 8).AddAttention(layers: [1]).AddRotary();

    private static LanguageModelBuilder Plain(LanguageModelBuilder builder) => builder.AddAttention(attention => attention.HeadCount = 2);
}
