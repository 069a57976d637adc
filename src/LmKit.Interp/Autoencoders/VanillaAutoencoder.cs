using System.ComponentModel.DataAnnotations;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>ReLU codes with a penalty on their sum: a = relu((x - b_dec) W_enc + b_enc).</summary>
public sealed class VanillaAutoencoder : SparseAutoencoder
{
    private readonly VanillaOptions options;

    /// <summary>Makes it.</summary>
    public VanillaAutoencoder(VanillaOptions options, ParameterFactory parameters)
        : base(nameof(VanillaAutoencoder), options, parameters)
    {
        this.options = options;
        RegisterComponents();
    }

    private protected override FeatureActivations Activate(Tensor centred, Tensor normalized)
    {
        var pre = PreActivations(centred);
        var codes = pre.relu();
        return new(pre, codes, codes);
    }

    private protected override void AddTerms(LossTerms terms, AutoencoderPass pass, Tensor? dead, Tensor? gradients)
    {
        base.AddTerms(terms, pass, dead, gradients);
        if (options.AttributionCoefficient == 0 && options.UnexplainedCoefficient == 0)
            return;
        if (gradients is null)
            throw new ArgumentNullException(nameof(gradients), $"{nameof(VanillaOptions.AttributionCoefficient)} and {nameof(VanillaOptions.UnexplainedCoefficient)} need the metric's gradients at the activations.");
        terms["attribution"] = HalfPrecision.Widen(pass.Codes * gradients.mm(decoder.t())).abs().sum(1).mean() * options.AttributionCoefficient;
        terms["unexplained"] = HalfPrecision.Widen((pass.Normalized - pass.Reconstruction) * gradients).sum(1).abs().mean() * options.UnexplainedCoefficient;
    }
}

/// <summary>Options of the ReLU autoencoder; with a free decoder and norm-weighted penalty it is the April 2024 update.</summary>
public sealed class VanillaOptions : SparseAutoencoderOptions
{
    /// <summary>Weight of the features' attributions |a (g . dec)| (alpha of the attribution autoencoder). Default 0.</summary>
    [Range(0.0, double.MaxValue)]
    public double AttributionCoefficient { get; set; }

    /// <summary>Weight of the attribution of what is left, |(x - x_hat) g| (beta). Default 0.</summary>
    [Range(0.0, double.MaxValue)]
    public double UnexplainedCoefficient { get; set; }
}
