using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Fuzz;

/// <summary>Models and modules that calls go to, made once in a process.</summary>
internal static class CallModels
{
    internal static LanguageModel Mixers { get; } = Made(() => Ready(ToyModels.Mixers().Build()));

    internal static LanguageModel Hybrid { get; } = Made(() => Ready(ToyModels.Trio().Build()));

    internal static LanguageModel Tuned { get; } = Made(() => ToyModels.Attention(lora => lora.Rank = 2));

    internal static LanguageModel Network { get; } = Made(() => DiffusionTransformer.Build(new DiffusionTransformerOptions { VocabSize = 5, ModelDim = 8, LayerCount = 1, HeadCount = 2, ConditionDim = 4, Seed = 3 }));

    internal static LanguageModelDenoiser Denoiser { get; } = new(Network, 4);

    internal static Discriminator Critic { get; } = Made(() => Discriminator.FromTeacher(Network));

    internal static TopKAutoencoder Autoencoder { get; } = Made(() => new TopKAutoencoder(new TopKOptions { ModelDim = 4, FeatureCount = 6, ActiveCount = 2 }, new ParameterFactory(new Generator(1))));

    internal static BatchTopKAutoencoder BatchAutoencoder { get; } = Made(() => new BatchTopKAutoencoder(new BatchTopKOptions { ModelDim = 4, FeatureCount = 6, ActiveCount = 2 }, new ParameterFactory(new Generator(1))));

    internal static SupervisedDictionary Supervised { get; } = Made(() => SupervisedDictionary.Fit(rand(40, 6, ScalarType.Float64), randint(0, 3, [40, 2], dtype: ScalarType.Int64), [new AttributeBlock("a", [0], [3])]));

    internal static DiagonalSsm Diagonal { get; } = Made(() => new DiagonalSsm(new DiagonalSsmOptions { StateDim = 4 }, 3, new ParameterFactory(new Generator(1))));

    internal static ShiftSsm Shift { get; } = Made(() => new ShiftSsm(3, 4, new ParameterFactory(new Generator(1))));

    internal static MonarchLinear Monarch { get; } = Made(() => new MonarchLinear(new MonarchOptions { BlockCount = 2 }, Site(8, 8)));

    internal static DenseLinear Dense { get; } = Made(() => new DenseLinear(Site(8, 6)));

    internal static LoraLinear Lora { get; } = Made(() => new LoraLinear(new LoraOptions { Rank = 2 }, new DenseLinear(Site(8, 6)), Site(8, 6)));

    internal static EmbeddingTable Table { get; } = Made(() => new EmbeddingTable(11, 8, 0.02, new ParameterFactory(new Generator(1))));

    internal static LoraEmbedding TableLora { get; } = Made(() => new LoraEmbedding(new LoraOptions { Rank = 2 }, new EmbeddingTable(11, 8, 0.02, new ParameterFactory(new Generator(1))), new ParameterFactory(new Generator(1))));

    internal static MarkovChain Chain { get; } = Made(() => new MarkovChain(full(4, 4, 0.25, ScalarType.Float64), full(4, 0.25, ScalarType.Float64)));

    internal static NoiseSchedule Schedule { get; } = new LogLinearSchedule();

    internal static LinearSite Site(long inputs, long outputs) => new("layers.0.mlp.fc1", 0, inputs, outputs, true, 0.02, new ParameterFactory(new Generator(1), ScalarType.Float32));

    // Cases have dispose scopes of their own, which these must outlive.
    private static T Made<T>(Func<T> make)
    {
        using var scope = NewDisposeScope();
        var made = make();
        if (made is nn.Module module)
        {
            foreach (var tensor in module.state_dict().Values)
                tensor.DetachFromDisposeScope();
        }
        return made;
    }

    private static LanguageModel Ready(LanguageModel model)
    {
        model.eval();
        return model;
    }
}
