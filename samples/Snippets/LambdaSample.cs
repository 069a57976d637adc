using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Snippets;

/// <summary>The samples of the README of LmKit.LongContext.</summary>
internal static class LambdaSample
{
    /// <summary>A stream far longer than the window, in chunks, with a cache that stays small.</summary>
    internal static void Stream()
    {
        using var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = 64, LayerCount = 2 }
            .AddAttention(attention => attention.HeadCount = 4)
            .AddRotary()
            .AddLambdaMask(mask => { mask.LocalLength = 64; mask.GlobalLength = 4; })
            .Build();
        using var frozen = no_grad();
        using var random = new Generator(1);
        using var state = model.NewState(1);
        for (var chunk = 0; chunk < 100; chunk++)
        {
            using var scope = NewDisposeScope();
            var tokens = randint(0, 256, [1, 100], ScalarType.Int64, generator: random);
            _ = model.call(tokens, new SequenceContext(state)); // (1, 100, 256) logits
        }
        Console.WriteLine($"{state.Position:N0} tokens read, {state.Tensors["layers.0.keys"].size(2)} keys held");
    }

    /// <summary>The mask in some layers only; the others keep full causal attention.</summary>
    internal static LanguageModelBuilder InSomeLayers(LanguageModelBuilder builder) =>
        builder.AddLambdaMask(mask => mask.LocalLength = 512, layers: [1, 3]);
}
