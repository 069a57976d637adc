using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>No linear at all, for measuring what stands between the linears.</summary>
internal sealed class IdentityLinear(long features) : nn.Module<Tensor, Tensor>(nameof(IdentityLinear)), ILinear
{
    public long InFeatures => features;

    public long OutFeatures => features;

    public Tensor ToDense() => eye(features);

    public override Tensor forward(Tensor input) => input.alias();
}
