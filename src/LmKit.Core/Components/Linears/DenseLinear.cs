using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The dense linear y = x W^T + b.</summary>
public sealed class DenseLinear : nn.Module<Tensor, Tensor>, ILinear
{
    private readonly Parameter weight;
    private readonly Parameter? bias;

    /// <summary>Makes the linear of a site: W ~ N(0, range^2), b = 0.</summary>
    public DenseLinear(LinearSite site)
        : base(nameof(DenseLinear))
    {
        ArgumentNullException.ThrowIfNull(site);
        InFeatures = site.InFeatures;
        OutFeatures = site.OutFeatures;
        weight = site.Parameters.Normal(site.InitializerRange, OutFeatures, InFeatures); // (O, I)
        bias = site.HasBias ? site.Parameters.Constant(0, OutFeatures) : null;
        RegisterComponents();
    }

    /// <inheritdoc/>
    public long InFeatures { get; }

    /// <inheritdoc/>
    public long OutFeatures { get; }

    /// <inheritdoc/>
    public Tensor ToDense()
    {
        using var frozen = no_grad();
        return weight.clone();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        Shapes.CheckInput(x, weight, InFeatures, GetName());
        return nn.functional.linear(x, weight, bias);
    }
}
