using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>What all sparse autoencoders have in common.</summary>
public abstract class SparseAutoencoderOptions
{
    /// <summary>Width D of the activations (d_in). 0, the default, stands for the model's where a model's configuration names the dictionary;
    /// otherwise it must be given.</summary>
    [Range(0L, long.MaxValue)]
    public long ModelDim { get; set; }

    /// <summary>Features F (d_sae, h). No default.</summary>
    [Range(1L, long.MaxValue)]
    public long FeatureCount { get; set; }

    /// <summary>What is done to each row first. Default none.</summary>
    public InputNormalization InputNormalization { get; set; }

    /// <summary>Whether b_dec is subtracted from the input (apply_b_dec_to_input). Default true.</summary>
    public bool SubtractsDecoderBias { get; set; } = true;

    /// <summary>Whether b_enc is added to pre-activations. Default true; the k-type autoencoders of Lee et al. have it and leave it out.</summary>
    public bool UsesEncoderBias { get; set; } = true;

    /// <summary>How encoder and decoder start. Default tied.</summary>
    public AutoencoderInitialization Initialization { get; set; }

    /// <summary>How reconstruction errors are counted. Default summed over dimensions.</summary>
    public ReconstructionLoss Reconstruction { get; set; }

    /// <summary>What training keeps true of the decoder. Default unit rows.</summary>
    public DecoderConstraint Constraint { get; set; } = DecoderConstraint.UnitRows;

    /// <summary>Weight of the penalty on codes (lambda, l1_coeff); for JumpReLU of the penalty on their number. Default 0.</summary>
    [Range(0.0, double.MaxValue)]
    public double SparsityCoefficient { get; set; }

    /// <summary>Whether that penalty multiplies codes by their atoms' norms (April 2024 update). Default false.</summary>
    public bool PenaltyUsesDecoderNorm { get; set; }

    /// <summary>Weight of (|codes| - |x|)^2, the approximate feature activation (afa_coeff). Default 0.</summary>
    [Range(0.0, double.MaxValue)]
    public double AfaCoefficient { get; set; }

    /// <summary>Weight of the dead features' loss; 0 leaves it out, the default.</summary>
    [Range(0.0, double.MaxValue)]
    public double AuxiliaryCoefficient { get; set; }

    /// <summary>Its form. Default normalised.</summary>
    public AuxiliaryKind Auxiliary { get; set; }

    /// <summary>Dead features that may speak in a row (top_k_aux); 0 means D / 2, the default.</summary>
    [Range(0L, long.MaxValue)]
    public long AuxiliaryCount { get; set; }

    /// <summary>A copy for a place, with its width.</summary>
    internal SparseAutoencoderOptions For(DictionarySite site)
    {
        var copy = (SparseAutoencoderOptions)MemberwiseClone();
        copy.ModelDim = site.Width(GetType().Name, ModelDim);
        return copy;
    }

    /// <summary>Fails by name on a value that cannot work.</summary>
    internal virtual void Check()
    {
        OptionRanges.Check(this);
        if (ModelDim == 0)
            throw new ArgumentException($"{GetType().Name}.{nameof(ModelDim)} = 0: give the width of the activations.");
    }
}

/// <summary>What a dictionary's place says of its width.</summary>
internal static class DictionarySiteWidth
{
    /// <summary>The width of a dictionary's activations: what its options say, or the model's.</summary>
    /// <param name="site">Where it is made.</param>
    /// <param name="options">The name of the options' type, for errors.</param>
    /// <param name="width">What they say; 0 stands for the model's.</param>
    internal static long Width(this DictionarySite site, string options, long width) => (width, site.Layer?.ModelDim) switch
    {
        (0, null) => throw new ArgumentException($"{options}.ModelDim = 0 stands for a model's width, but no model's configuration names this dictionary; give it its own."),
        (0, { } model) => model,
        (_, { } model) when width != model => throw new ArgumentException($"{options}.ModelDim = {width} is not the model's width, LanguageModelOptions.ModelDim = {model} ($.model.d_model); leave it at 0 for that."),
        _ => width,
    };
}
