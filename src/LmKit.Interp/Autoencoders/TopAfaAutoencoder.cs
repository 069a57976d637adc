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
        return new(pre, dense, dense * Choose(dense.detach(), centred, normalized));
    }

    private protected override bool ChoosesForTraining => true;

    // The norm of all features' reconstruction is no matter of the kept ones.
    private protected override bool LosesNothingAsList => base.LosesNothingAsList && options.LossTarget is AfaTarget.Input or AfaTarget.CentredInput;

    private protected override Tensor Choose(Tensor dense, Tensor centred, Tensor normalized)
    {
        var target = Norms(options.SelectionTarget, centred, normalized, dense).detach();
        return TopAfaSelection.Choose(
            dense, DecoderNorms().detach(), target, options.HasOfficialSentinel, options.MinActiveCount, options.MaxActiveCount, options.Tolerance).Mask;
    }

    private Tensor Norms(AfaTarget target, Tensor centred, Tensor normalized, Tensor dense) => target switch
    {
        AfaTarget.CentredInput => HalfPrecision.Widen(centred).norm(1),
        AfaTarget.Input => HalfPrecision.Widen(normalized).norm(1),
        _ => HalfPrecision.Widen(dense.detach().mm(decoder.detach())).norm(1),
    };
}
