using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Pre-activations above a learned threshold: a = p 1[p &gt; exp(rho)] (Rajamanoharan et al. 2024).</summary>
/// <remarks>Thresholds learn through a straight-through window of width w: d a / d theta = -(theta / w) 1[|p - theta| &lt; w / 2].</remarks>
public sealed class JumpReluAutoencoder : SparseAutoencoder
{
    private readonly JumpReluOptions options;
    [ComponentName(Name = "log_threshold")]
    private readonly Parameter logThreshold;

    /// <summary>Makes it.</summary>
    public JumpReluAutoencoder(JumpReluOptions options, ParameterFactory parameters)
        : base(nameof(JumpReluAutoencoder), options, parameters)
    {
        this.options = options;
        logThreshold = parameters.Constant(Math.Log(options.InitialThreshold), options.FeatureCount);
        RegisterComponents();
    }

    /// <summary>Thresholds (F); the caller disposes them.</summary>
    public Tensor Thresholds() => logThreshold.detach().exp();

    internal void Set(Tensor newEncoder, Tensor newDecoder, Tensor newEncoderBias, Tensor newDecoderBias)
    {
        encoder.copy_(newEncoder);
        decoder.copy_(newDecoder);
        encoderBias!.copy_(newEncoderBias);
        decoderBias.copy_(newDecoderBias);
    }

    private protected override FeatureActivations Activate(Tensor centred, Tensor normalized)
    {
        var pre = PreActivations(centred);
        var dense = pre.relu();
        var codes = dense * dense.detach().gt(logThreshold.detach().exp());
        // Zero in value; its gradient is the straight-through one.
        var values = options.Kind == JumpReluKind.Rectified ? dense : pre;
        codes = codes - (Window(values) * Threshold.detach()) * Shift;
        return new(pre, dense, codes);
    }

    private protected override void AddTerms(LossTerms terms, AutoencoderPass pass, Tensor? dead, Tensor? gradients)
    {
        if (options.SparsityCoefficient > 0)
            terms["l0"] = HalfPrecision.Widen(Count(pass)).sum(1).mean() * options.SparsityCoefficient;
        if (options.PreActivationCoefficient > 0 && dead is not null)
            terms["preactivation"] = HalfPrecision.Widen((Threshold - pass.PreActivations).relu() * dead * DecoderNorms()).sum(1).mean() * options.PreActivationCoefficient;
    }

    private protected override void FoldNorms(Tensor norms) => logThreshold.add_(norms.log());

    private Tensor Threshold => logThreshold.exp();

    // Threshold minus itself: 0 with the gradient that thresholds learn by.
    private Tensor Shift => options.Kind == JumpReluKind.Rectified ? logThreshold - logThreshold.detach() : Threshold - Threshold.detach();

    private Tensor Count(AutoencoderPass pass)
    {
        if (options.Penalty == JumpReluPenalty.Tanh)
            return (pass.Codes * DecoderNorms() * options.TanhScale).tanh();
        var values = options.Kind == JumpReluKind.Rectified ? pass.Codes : pass.PreActivations;
        return values.detach().gt(Threshold.detach()).to(values.dtype) - Window(values) * Shift;
    }

    private Tensor Window(Tensor values) =>
        ((values - Threshold) / options.Bandwidth).detach().abs().lt(0.5).to(values.dtype) / options.Bandwidth;
}
