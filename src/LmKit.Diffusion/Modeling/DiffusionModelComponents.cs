using static TorchSharp.torch;

namespace LmKit;

/// <summary>The parts of a diffusion transformer as components.</summary>
public static class DiffusionModelComponents
{
    /// <summary>The conditioning on noise levels.</summary>
    public static readonly Kind<TimestepEmbeddingOptions, IConditioning> Timestep = Slots.Conditioning.Define<TimestepEmbeddingOptions>("timestep", (options, layer) => new TimestepEmbedding(options, layer));

    /// <summary>The layer that is modulated by the condition.</summary>
    public static readonly Kind<IBlock> Block = Slots.Block.Define("diffusion", layer => new DiffusionBlock(layer));

    /// <summary>The last norm that is modulated by the condition.</summary>
    public static readonly Kind<LayerNormOptions, nn.IModule<Tensor, Tensor>> ModulatedLayerNorm = Slots.Norm.Define<LayerNormOptions>("modulated_layer_norm", (options, layer) => new ModulatedLayerNorm(options, layer));

    /// <summary>Tells a model noise levels (<see cref="SequenceContext.Level"/>), embedded as DiT does.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddTimestepConditioning(this LanguageModelBuilder builder, Action<TimestepEmbeddingOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Timestep, configure);
    }

    /// <summary>Gives layers the layout of a diffusion transformer, modulated by the condition; the model needs a conditioning.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddDiffusionBlock(this LanguageModelBuilder builder, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Block, layers);
    }

    /// <summary>Modulates a model's last norm by the condition; call it once the layer count is set.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddModulatedLayerNorm(this LanguageModelBuilder builder, Action<LayerNormOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(ModulatedLayerNorm, configure, layers: [builder.LayerCount]);
    }
}
