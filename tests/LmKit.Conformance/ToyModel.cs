using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>A builder of tiny models for tests, and the layer context that a component is built in.</summary>
public static class ToyModel
{
    /// <summary>Vocabulary size of <see cref="Builder"/>.</summary>
    public const long VocabSize = 11;

    /// <summary>Width of <see cref="Builder"/>.</summary>
    public const long ModelDim = 8;

    /// <summary>A builder with sizes set and no components; weights start large enough for differences to show.</summary>
    public static LanguageModelBuilder Builder(int layerCount = 2, ScalarType dtype = ScalarType.Float64, long modelDim = ModelDim)
    {
        var builder = new LanguageModelBuilder { VocabSize = VocabSize, ModelDim = modelDim, LayerCount = layerCount, Dtype = dtype };
        builder.Options.InitializerRange = 0.4;
        builder.Options.Seed = 5;
        return builder;
    }

    /// <summary>Makes a component in the context of layer 0 of a builder's model.</summary>
    /// <param name="builder">The model; its masks and linears are what the component is handed.</param>
    /// <param name="create">Makes the component.</param>
    public static T Component<T>(LanguageModelBuilder builder, Func<LayerContext, T> create)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(create);
        LibTorch.EnsureLoaded();
        return create(builder.CreateLayerContext(0, new Generator(builder.Options.Seed)));
    }
}
