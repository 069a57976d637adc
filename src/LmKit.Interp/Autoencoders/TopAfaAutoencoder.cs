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

    private protected override bool AfaUsesCentredInput => options.LossTarget == AfaTarget.CentredInput;

    private protected override FeatureActivations Activate(Tensor centred, Tensor normalized)
    {
        var pre = PreActivations(centred);
        var dense = pre.relu();
        var target = (options.SelectionTarget == AfaTarget.CentredInput ? centred : normalized).detach().norm(1);
        var (_, mask) = TopAfaSelection.Choose(dense.detach(), DecoderNorms().detach(), target, options.HasOfficialSentinel, options.MinActiveCount, options.MaxActiveCount);
        return new(pre, dense, dense * mask);
    }
}
