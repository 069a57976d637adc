using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Keeps, for each input, as many features as bring the norm of its code to the norm of the input (Lee et al. 2025).</summary>
/// <remarks>As published nothing in its loss prefers sparse codes: trained from scratch it settles at more active features than there
/// are dimensions and finds no true ones on synthetic data. <see cref="TopAfaOptions.Regularised"/> repairs that.</remarks>
public sealed class TopAfaAutoencoder : SparseAutoencoder
{
    private readonly TopAfaOptions options;

    /// <summary>Makes it.</summary>
    public TopAfaAutoencoder(TopAfaOptions options, ParameterFactory parameters)
        : base(nameof(TopAfaAutoencoder), options, parameters)
    {
        this.options = options;
        RegisterComponents();
    }

    private protected override Tensor AfaNorms(AutoencoderPass pass) => Norms(options.LossTarget, pass.Centred, pass.Normalized, pass.Features.Dense);

    private protected override FeatureActivations Activate(Tensor centred, Tensor normalized)
    {
        var pre = PreActivations(centred);
        var dense = pre.relu();
        var target = Norms(options.SelectionTarget, centred, normalized, dense).detach();
        var (_, mask) = TopAfaSelection.Choose(
            dense.detach(), DecoderNorms().detach(), target, options.HasOfficialSentinel, options.MinActiveCount, options.MaxActiveCount, options.Tolerance);
        return new(pre, dense, dense * mask);
    }

    private Tensor Norms(AfaTarget target, Tensor centred, Tensor normalized, Tensor dense) => target switch
    {
        AfaTarget.CentredInput => HalfPrecision.Widen(centred).norm(1),
        AfaTarget.Input => HalfPrecision.Widen(normalized).norm(1),
        _ => HalfPrecision.Widen(dense.detach().mm(decoder.detach())).norm(1),
    };
}
