using System.ComponentModel.DataAnnotations;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The k largest pre-activations of each row, rectified (Gao et al. 2024).</summary>
public sealed class TopKAutoencoder : SparseAutoencoder
{
    private readonly TopKOptions options;

    /// <summary>Makes it.</summary>
    public TopKAutoencoder(TopKOptions options, ParameterFactory parameters)
        : base(nameof(TopKAutoencoder), options, parameters)
    {
        this.options = options;
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override bool CodesAreNormScaled => options.RescalesByDecoderNorm;

    private protected override FeatureActivations Activate(Tensor centred, Tensor normalized)
    {
        var pre = PreActivations(centred);
        if (options.RescalesByDecoderNorm)
            pre = pre * DecoderNorms();
        var dense = options.AllowsNegativeCodes ? pre : pre.relu();
        return new(pre, dense, dense * Choose(dense.detach(), centred, normalized));
    }

    private protected override bool ChoosesForTraining => !options.RescalesByDecoderNorm;

    private protected override bool Rectifies => !options.AllowsNegativeCodes;

    private protected override Tensor Choose(Tensor dense, Tensor centred, Tensor normalized) => FeatureSelection.Largest(dense, options.ActiveCount);

    private protected override void FoldNorms(Tensor norms)
    {
        if (!options.RescalesByDecoderNorm)
            throw new InvalidOperationException($"{nameof(TopKAutoencoder)} without {nameof(TopKOptions.RescalesByDecoderNorm)} chooses features by values that folding the decoder's norms would change.");
    }
}

/// <summary>Options of the TopK autoencoder.</summary>
public sealed class TopKOptions : SparseAutoencoderOptions
{
    /// <summary>Features kept in a row (k). Default 32 (OpenAI).</summary>
    [Range(1L, long.MaxValue)]
    public long ActiveCount { get; set; } = 32;

    /// <summary>Whether features are chosen by, and codes returned as, pre-activation times atom norm (SAELens). Default false.</summary>
    public bool RescalesByDecoderNorm { get; set; }

    /// <summary>Whether negative pre-activations may be kept (task autoencoders). Default false: codes are at least 0.</summary>
    public bool AllowsNegativeCodes { get; set; }
}
