using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One path decides which features are active, another how much: a = 1[c W + b_gate &gt; 0] relu(c (W exp(r_mag)) + b_mag)
/// (Rajamanoharan et al. 2024).</summary>
public sealed class GatedAutoencoder : SparseAutoencoder
{
    private readonly GatedOptions options;
    [ComponentName(Name = "b_gate")]
    private readonly Parameter gateBias;
    [ComponentName(Name = "r_mag")]
    private readonly Parameter magnitudeScale;
    [ComponentName(Name = "b_mag")]
    private readonly Parameter magnitudeBias;

    /// <summary>Makes it.</summary>
    public GatedAutoencoder(GatedOptions options, ParameterFactory parameters)
        : base(nameof(GatedAutoencoder), options, parameters, hasEncoderBias: false)
    {
        this.options = options;
        gateBias = parameters.Constant(0, options.FeatureCount);
        magnitudeScale = parameters.Constant(0, options.FeatureCount);
        magnitudeBias = parameters.Constant(0, options.FeatureCount);
        RegisterComponents();
    }

    private protected override FeatureActivations Activate(Tensor centred, Tensor normalized)
    {
        var product = centred.mm(encoder); // (B, F)
        var gate = product + gateBias;
        var magnitude = product * magnitudeScale.exp() + magnitudeBias;
        if (options.Kind != GatedKind.UnrectifiedMagnitudes)
            magnitude = magnitude.relu();
        return new(gate, gate.relu(), magnitude * gate.detach().gt(0));
    }

    private protected override void AddTerms(LossTerms terms, AutoencoderPass pass, Tensor? dead, Tensor? gradients)
    {
        var open = pass.Features.Dense;
        if (options.SparsityCoefficient > 0)
        {
            var weighed = options.Kind == GatedKind.SaeLens ? open * DecoderNorms() : open;
            terms["l1"] = HalfPrecision.Widen(weighed).sum(1).mean() * options.SparsityCoefficient;
        }
        var rebuilt = options.Kind == GatedKind.SaeLens
            ? DecodeRows(open, FeatureCount)
            : open.mm(decoder.detach()) + decoderBias.detach();
        terms["gate"] = SquaredError.RowMean(rebuilt - pass.Normalized);
    }

    private protected override void FoldNorms(Tensor norms)
    {
        gateBias.mul_(norms);
        magnitudeBias.mul_(norms);
    }
}

/// <summary>Options of the gated autoencoder.</summary>
public sealed class GatedOptions : SparseAutoencoderOptions
{
    /// <summary>Whose form. Default the paper's.</summary>
    public GatedKind Kind { get; set; } = GatedKind.Detached;
}

/// <summary>Whose form of the gated autoencoder.</summary>
public enum GatedKind
{
    /// <summary>SAELens: the penalty weighs codes by atom norms; the gate's own reconstruction trains the decoder too.</summary>
    SaeLens,

    /// <summary>Rajamanoharan et al. 2024 and dictionary_learning: no weighing; the decoder is detached there.</summary>
    Detached,

    /// <summary>Task autoencoders of Makelov et al. 2024: as detached, and magnitudes are not rectified, so codes may be negative.</summary>
    UnrectifiedMagnitudes,
}
