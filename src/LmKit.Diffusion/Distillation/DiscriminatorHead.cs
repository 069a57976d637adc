using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The discriminator's head as a component.</summary>
public static class DiscriminatorComponent
{
    /// <summary>The discriminator's head: one logit a position.</summary>
    public static readonly Kind<LanguageModelHead> Kind = Slots.Head.Define("discriminator", site => new LanguageModelHead(new DiscriminatorHead(site.Layer.ModelDim, site.Layer.Parameters)));

    /// <summary>Ends a bidirectional model as a <see cref="Discriminator"/>: no last norm, a head that is not tied and gives one logit a position. Call it
    /// once the layer count is set.</summary>
    /// <param name="builder">The builder.</param>
    public static LanguageModelBuilder AddDiscriminatorHead(this LanguageModelBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Options.IsHeadTied = false;
        return builder.AddNoNorm(layers: [builder.LayerCount]).Add(Kind);
    }
}

/// <summary>Linear, SiLU, linear to one logit, both spectrally normalised, of any leading axes; named 0 and 2 as published (1 is the function).</summary>
internal sealed class DiscriminatorHead : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "0")]
    private readonly SpectralAffine first;
    [ComponentName(Name = "2")]
    private readonly SpectralAffine second;

    internal DiscriminatorHead(long modelDim, ParameterFactory parameters)
        : base(nameof(DiscriminatorHead))
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
