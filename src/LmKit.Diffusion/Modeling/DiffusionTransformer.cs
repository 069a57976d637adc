using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The diffusion transformer (DiT) of masked diffusion as a configuration of <see cref="LanguageModel"/>.</summary>
/// <remarks>
/// <para>Its parts are ordinary components: bidirectional attention without biases with rotary positions, the two-layer feed-forward part,
/// layer norms without biases, and from here the conditioning on noise levels, the modulated block and the modulated last norm. Whatever
/// acts on a language model acts on it: adapters, structured and packed linears, hook points, folders. Weights of published
/// checkpoints load through <see cref="MdlmKeyMap"/>; <see cref="LanguageModelDenoiser"/> makes an <see cref="IDenoiser"/> of it.</para>
/// <para>A new transformer's blocks are the identity and its logits zero.</para>
/// </remarks>
public static class DiffusionTransformer
{
    /// <summary>Sets a builder's sizes and adds the parts of a diffusion transformer; verbs after it change it.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options; the builder's own sizes and seed are overwritten by them.</param>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    public static LanguageModelBuilder AddDiffusionTransformer(this LanguageModelBuilder builder, Action<DiffusionTransformerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = new DiffusionTransformerOptions();
        configure?.Invoke(options);
        return Add(builder, options);
    }

    /// <summary>Builds a diffusion transformer; it is in evaluation mode, and a trainer switches as it needs.</summary>
    /// <param name="options">Its sizes.</param>
    /// <param name="dtype">Dtype of the parameters.</param>
    /// <param name="device">Where; the CPU by default.</param>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    public static LanguageModel Build(DiffusionTransformerOptions options, ScalarType dtype = ScalarType.Float32, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        LibTorch.EnsureLoaded();
        return Add(new LanguageModelBuilder { Dtype = dtype, Device = device ?? CPU }, options).Build();
    }

    private static LanguageModelBuilder Add(LanguageModelBuilder builder, DiffusionTransformerOptions options)
    {
        options.Check();
        (builder.VocabSize, builder.ModelDim, builder.LayerCount) = (options.VocabSize, options.ModelDim, options.LayerCount);
        builder.Options.IsBidirectional = true;
        builder.Options.IsHeadTied = false;
        builder.Options.ResidualDropoutRate = options.DropoutRate;
        builder.Options.Initializer = WeightInitializer.UniformFanIn;
        builder.Options.Seed = options.Seed;
        return builder
            .AddTimestepConditioning(timestep => (timestep.ConditionDim, timestep.Scale, timestep.IsTimeConditioned) = (options.ConditionDim, options.Scale, options.IsTimeConditioned))
            .AddDiffusionBlock()
            .AddAttention(attention => (attention.HeadCount, attention.HasBias) = (options.HeadCount, false))
            .AddRotary()
            .AddMlp()
            .AddLayerNorm(norm => norm.HasBias = false)
            .AddModulatedLayerNorm(norm => norm.HasBias = false)
            .AddLinearHead(head => (head.HasBias, head.StartsAtZero) = (true, true));
    }
}
