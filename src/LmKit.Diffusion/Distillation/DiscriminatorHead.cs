using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The discriminator's head: linear, SiLU, linear to one logit, both spectrally normalised and named main.0 and main.2.</summary>
internal sealed class DiscriminatorHead : nn.Module<Tensor, Tensor>
{
    private readonly SpectralPair main;

    internal DiscriminatorHead(long modelDim, ParameterFactory parameters)
        : base(nameof(DiscriminatorHead))
    {
        main = new SpectralPair(modelDim, parameters);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x) => main.call(x);

    private sealed class SpectralPair : nn.Module<Tensor, Tensor>
    {
        [ComponentName(Name = "0")]
        private readonly SpectralAffine first;
        [ComponentName(Name = "2")]
        private readonly SpectralAffine second;

        internal SpectralPair(long modelDim, ParameterFactory parameters)
            : base(nameof(SpectralPair))
        {
            first = new SpectralAffine(modelDim, modelDim, parameters);
            second = new SpectralAffine(modelDim, 1, parameters);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            return second.call(nn.functional.silu(first.call(x))).MoveToOuterDisposeScope();
        }
    }
}

/// <summary>A linear whose weight is divided by an estimate of its largest singular value, u^T W v.</summary>
/// <remarks>In training mode each call does one power iteration first: v = norm(W^T u), u = norm(W v). Evaluation uses the stored
/// vectors. Names are those of published checkpoints: bias, weight_orig, weight_u, weight_v.</remarks>
internal sealed class SpectralAffine : nn.Module<Tensor, Tensor>
{
    private const double Epsilon = 1e-12;

    private readonly Parameter bias;
    [ComponentName(Name = "weight_orig")]
    private readonly Parameter weight;
    [ComponentName(Name = "weight_u")]
    private readonly Tensor left;
    [ComponentName(Name = "weight_v")]
    private readonly Tensor right;

    internal SpectralAffine(long inFeatures, long outFeatures, ParameterFactory parameters)
        : base(nameof(SpectralAffine))
    {
        var bound = 1 / Math.Sqrt(inFeatures);
        bias = parameters.Uniform(-bound, bound, outFeatures);
        weight = parameters.Uniform(-bound, bound, outFeatures, inFeatures);
        left = Direction(outFeatures);
        right = Direction(inFeatures);
        RegisterComponents();

        Tensor Direction(long width)
        {
            using var scope = NewDisposeScope();
            using var drawn = parameters.Normal(1, width);
            return Unit(drawn.detach()).clone().DetachFromDisposeScope();
        }
    }

    public override Tensor forward(Tensor x)
    {
        Shapes.CheckInput(x, weight, weight.IsInvalid ? 0 : weight.size(1), nameof(Discriminator));
        using var scope = NewDisposeScope();
        if (training)
            Iterate();
        var sigma = weight.mv(right.clone()).dot(left.clone());
        return nn.functional.linear(x, weight / sigma, bias).MoveToOuterDisposeScope();
    }

    private void Iterate()
    {
        using var frozen = no_grad();
        right.copy_(Unit(weight.t().mv(left)));
        left.copy_(Unit(weight.mv(right)));
    }

    private static Tensor Unit(Tensor vector)
    {
        var wide = HalfPrecision.Widen(vector);
        return (wide / wide.norm().clamp(min: Epsilon)).to(vector.dtype);
    }
}
