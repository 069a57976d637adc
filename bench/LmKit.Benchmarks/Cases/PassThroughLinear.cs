using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A linear that gives back its input, or the first features of it, so that a mixer can be timed without its projections.</summary>
internal sealed class PassThroughLinear : nn.Module<Tensor, Tensor>, ILinear
{
    internal static readonly Kind<ILinear> Kind = Slots.Linear.Define("pass_through", site => new PassThroughLinear(site));

    private PassThroughLinear(LinearSite site)
        : base(nameof(PassThroughLinear)) => (InFeatures, OutFeatures) = (site.InFeatures, site.OutFeatures);

    public long InFeatures { get; }

    public long OutFeatures { get; }

    public Tensor ToDense() => eye(OutFeatures, InFeatures);

    public override Tensor forward(Tensor x) => x.narrow(-1, 0, OutFeatures);
}
