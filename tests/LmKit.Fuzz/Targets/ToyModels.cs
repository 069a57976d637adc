using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Fuzz;

/// <summary>The small models whose files the corpus holds.</summary>
internal static class ToyModels
{
    internal const long VocabSize = 11;

    internal static Action<ComponentRegistry> Kinds { get; } = kinds => kinds.AddSsm().AddStructured().AddLongContext().AddTuning().AddDiffusion();

    internal static LanguageModelBuilder Builder(int layerCount = 2, bool isBidirectional = false)
    {
        var builder = new LanguageModelBuilder { VocabSize = VocabSize, ModelDim = 8, LayerCount = layerCount, Dtype = ScalarType.Float32 };
        builder.Options.Seed = 5;
        builder.Options.IsBidirectional = isBidirectional;
        return builder;
    }

    /// <summary>A hybrid with a component of nearly every kind, one place each.</summary>
    internal static LanguageModelBuilder Hybrid() => Builder(3)
        .AddH3(h3 => h3.StateDim = 4)
        .AddAttention(attention => attention.HeadCount = 2, layers: [1])
        .AddRotary(layers: [1])
        .AddLambdaMask(mask => (mask.GlobalLength, mask.LocalLength) = (2, 4), layers: [1])
        .AddMonarchLinear(monarch => monarch.BlockCount = 2, sites: ["mlp.fc1"])
        .AddRmsNorm()
        .AddGatedMlp(layers: [2])
        .AddAutoregressiveSampler(sampler => sampler.Temperature = 0.8);

    /// <summary>The sizes and components that the hostile configurations were made from.</summary>
    internal static LanguageModelBuilder Trio()
    {
        var builder = new LanguageModelBuilder { VocabSize = 256, ModelDim = 16, LayerCount = 3, Dtype = ScalarType.Float32 };
        builder.Options.Seed = 1;
        return builder
            .AddH3(h3 => (h3.StateDim, h3.ShiftDim) = (8, 8))
            .AddAttention(attention => attention.HeadCount = 2, layers: [1])
        .AddRotary(layers: [1])
            .AddMonarchLinear(monarch => monarch.BlockCount = 2)
            .AddLambdaMask(mask => (mask.GlobalLength, mask.LocalLength) = (4, 8))
            .AddAutoregressiveSampler(sampler => sampler.Temperature = 0.8);
    }

    /// <summary>A layer of each mixer that carries a state.</summary>
    internal static LanguageModelBuilder Mixers() => Builder(6)
        .AddH3(h3 => h3.StateDim = 4, layers: [0])
        .AddAttention(attention => attention.HeadCount = 2, layers: [1])
        .AddS4D(s4d => s4d.StateDim = 4, layers: [2])
        .AddSelectiveScan(scan => scan.StateDim = 4, layers: [3])
        .AddShift(layers: [4])
        .AddLongConv(layers: [5]);

    internal static LanguageModel Attention(Action<LoraOptions>? lora = null)
    {
        var builder = Builder().AddAttention(attention => attention.HeadCount = 2);
        return (lora is null ? builder : builder.UseLora(lora, sites: ["mixer.*"])).Build();
    }

    internal static Tensor Tokens(int rows, int length) => arange(rows * length, ScalarType.Int64).remainder(VocabSize).reshape(rows, length);
}
