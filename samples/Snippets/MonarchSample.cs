using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Snippets;

/// <summary>The samples of the README of LmKit.Structured.</summary>
internal static class MonarchSample
{
    /// <summary>Monarch linears in a whole model, and how many parameters that saves.</summary>
    internal static void Compose()
    {
        using var model = Builder().AddMonarchLinear(monarch => monarch.BlockCount = 4).Build();
        using var dense = Builder().Build();
        Console.WriteLine($"{Count(model):N0} parameters instead of {Count(dense):N0}");

        static LanguageModelBuilder Builder() => new LanguageModelBuilder { VocabSize = 512, ModelDim = 128, LayerCount = 2 }
            .AddAttention(attention => attention.HeadCount = 4);
        static long Count(LanguageModel model) => model.parameters().Sum(parameter => parameter.numel());
    }

    /// <summary>Monarch linears in the MLPs only, ready for training with scaled learning rates.</summary>
    internal static LanguageModelBuilder InTheMlps(LanguageModelBuilder builder) =>
        builder.AddMonarchLinear(monarch => monarch.Initialization = MonarchInitialization.MuP, sites: ["fc1", "fc2"]);

    /// <summary>The product by itself, and its dense form.</summary>
    internal static void Multiply()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        var first = randn([4, 8, 8], generator: random); // R (k, q, p): 4 blocks of 8 x 8
        var second = randn([4, 16, 8], generator: random); // L (l, s, r): 4 blocks of 16 x 8
        var x = randn([3, 32], generator: random);
        var y = MonarchMultiply.Apply(x, first, second); // (3, 64)
        var same = nn.functional.linear(x, MonarchMultiply.ToDense(first, second));
        Console.WriteLine((y - same).abs().max().ToSingle());
    }
}
