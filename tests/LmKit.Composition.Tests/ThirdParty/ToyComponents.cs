using System.ComponentModel.DataAnnotations;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>What a third party's package holds: a kind for each of the smaller slots, made through public API only, and the verb that adds them.</summary>
internal static class ToyComponents
{
    internal static readonly Kind<StrideMaskOptions, IAttentionMask> Mask = Slots.Mask.Define<StrideMaskOptions>("toy_stride", (options, _) => new StrideMask(options.Stride));
    internal static readonly Kind<LowRankOptions, ILinear> Linear = Slots.Linear.Define<LowRankOptions>("toy_low_rank", (options, site) => new LowRankLinear(options, site));
    internal static readonly Kind<ILinear> Wrapper = Slots.LinearWrapper.Define("toy_scale", place => new ScaledLinear(place));
    internal static readonly Kind<ToyMlpOptions, nn.IModule<Tensor, Tensor>> FeedForward = Slots.FeedForward.Define<ToyMlpOptions>("toy_mlp", (options, layer) => new ToyMlp(options, layer));
    internal static readonly Kind<nn.IModule<Tensor, Tensor>> Norm = Slots.Norm.Define("toy_max_norm", layer => new MaxNorm(layer));
    internal static readonly Kind<RankedSamplerOptions, ISampler> Sampler = Slots.Sampler.Define<RankedSamplerOptions>("toy_ranked", (options, model) => new RankedSampler(options, model));
    internal static readonly Kind<ToyDictionaryOptions, IDictionary> Dictionary = Slots.Dictionary.Define<ToyDictionaryOptions>("toy_dictionary", (options, site) => new ToyDictionary(options, site));

    internal static ComponentRegistry AddToys(this ComponentRegistry registry) =>
        registry.Add(ToyMixer.Kind).Add(Mask).Add(Linear).Add(Wrapper).Add(FeedForward).Add(Norm).Add(Sampler).Add(Dictionary);
}

/// <summary>Sees every n-th earlier key.</summary>
internal sealed class StrideMask(long stride) : IAttentionMask
{
    public bool IsCausal => true;

    public bool Forgets => false;

    public long? DistanceCeiling => null;

    public Tensor? Visible(Tensor queries, Tensor keys)
    {
        using var scope = NewDisposeScope();
        var distance = queries.unsqueeze(-1) - keys.unsqueeze(-2);
        return distance.ge(0).logical_and(distance.remainder(stride).eq(0)).MoveToOuterDisposeScope();
    }
}

internal sealed class StrideMaskOptions
{
    [Range(1L, 1L << 20)]
    public long Stride { get; set; } = 2;
}

/// <summary>y = V (U x) + b with U (R, I) and V (O, R).</summary>
internal sealed class LowRankLinear : nn.Module<Tensor, Tensor>, ILinear
{
    private readonly Parameter down;
    private readonly Parameter up;
    private readonly Parameter? bias;

    internal LowRankLinear(LowRankOptions options, LinearSite site)
        : base(nameof(LowRankLinear))
    {
        (InFeatures, OutFeatures) = (site.InFeatures, site.OutFeatures);
        down = site.Parameters.Normal(0.3, options.Rank, InFeatures);
        up = site.Parameters.Normal(0.3, OutFeatures, options.Rank);
        bias = site.HasBias ? site.Parameters.Constant(0, OutFeatures) : null;
        RegisterComponents();
    }

    public long InFeatures { get; }

    public long OutFeatures { get; }

    public Tensor ToDense()
    {
        using var frozen = no_grad();
        return up.mm(down);
    }

    public override Tensor forward(Tensor x)
    {
        using var inner = nn.functional.linear(x, down);
        return nn.functional.linear(inner, up, bias);
    }
}

internal sealed class LowRankOptions
{
    [Range(1, 1 << 16)]
    public int Rank { get; set; } = 2;
}

/// <summary>Learned factors on the outputs of what it wraps.</summary>
internal sealed class ScaledLinear : nn.Module<Tensor, Tensor>, ILinear
{
    private readonly ILinear inner;
    private readonly Parameter scale;

    internal ScaledLinear(WrappedSite place)
        : base(nameof(ScaledLinear))
    {
        inner = place.Inner;
        scale = place.Site.Parameters.Constant(1, inner.OutFeatures);
        RegisterComponents();
    }

    public long InFeatures => inner.InFeatures;

    public long OutFeatures => inner.OutFeatures;

    public Tensor ToDense()
    {
        using var frozen = no_grad();
        using var dense = inner.ToDense();
        using var column = scale.unsqueeze(1);
        return dense * column;
    }

    public override Tensor forward(Tensor x)
    {
        using var y = inner.call(x);
        return y * scale;
    }
}

/// <summary>max(x W1, 0)^2 W2.</summary>
internal sealed class ToyMlp : nn.Module<Tensor, Tensor>
{
    private readonly ILinear up;
    private readonly ILinear down;

    internal ToyMlp(ToyMlpOptions options, LayerContext layer)
        : base(nameof(ToyMlp))
    {
        up = layer.Linear("up", layer.ModelDim, options.Factor * layer.ModelDim);
        down = layer.Linear("down", options.Factor * layer.ModelDim, layer.ModelDim, isResidualOutput: true);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return down.call(up.call(x).relu().square()).MoveToOuterDisposeScope();
    }
}

internal sealed class ToyMlpOptions
{
    [Range(1, 64)]
    public int Factor { get; set; } = 2;
}

/// <summary>x / max |x| times learned factors.</summary>
internal sealed class MaxNorm : nn.Module<Tensor, Tensor>
{
    private readonly Parameter weight;

    internal MaxNorm(LayerContext layer)
        : base(nameof(MaxNorm))
    {
        weight = layer.Parameters.Constant(1, layer.Width);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return (x / (x.abs().amax([-1L], keepdim: true) + 1e-3) * weight).MoveToOuterDisposeScope();
    }
}

/// <summary>Appends the n-th most likely token.</summary>
internal sealed class RankedSampler(RankedSamplerOptions options, ILanguageModel model) : ISampler
{
    public IEnumerable<Tensor> Sample(SampleRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        request.Check(this);
        return Run(request);
    }

    private IEnumerable<Tensor> Run(SampleRequest request)
    {
        var grid = request.Prompt.clone().DetachFromDisposeScope();
        try
        {
            for (var step = 0L; step < request.Length; step++)
            {
                using (NewDisposeScope())
                using (no_grad())
                {
                    var logits = model.Logits(model.Hidden(grid).select(1, -1)); // (B, V)
                    var next = logits.argsort(-1, descending: true).narrow(-1, options.Rank, 1);
                    var longer = cat([grid, next], 1).DetachFromDisposeScope();
                    grid.Dispose();
                    grid = longer;
                }
                yield return grid.clone().DetachFromDisposeScope();
            }
        }
        finally
        {
            grid.Dispose();
        }
    }
}

internal sealed class RankedSamplerOptions
{
    [Range(0, 1 << 16)]
    public int Rank { get; set; } = 1;
}

/// <summary>Codes relu(x A^T), rebuilt by the same atoms.</summary>
internal sealed class ToyDictionary : nn.Module<Tensor, Tensor>, IDictionary
{
    private readonly Parameter atoms;
    private readonly Parameter bias;

    internal ToyDictionary(ToyDictionaryOptions options, DictionarySite site)
        : base(nameof(ToyDictionary))
    {
        var width = options.Width > 0 ? options.Width : site.Layer!.ModelDim;
        (atoms, bias) = (site.Parameters.Normal(1, options.FeatureCount, width), site.Parameters.Constant(0, width));
        RegisterComponents();
    }

    public Tensor Atoms => atoms;

    public Tensor Bias => bias;

    public Tensor Encode(ActivationBatch batch)
    {
        using var scope = NewDisposeScope();
        return batch.Values.mm(atoms.t()).relu().MoveToOuterDisposeScope();
    }

    public Tensor Decode(Tensor codes)
    {
        using var product = codes.mm(atoms);
        return product + bias;
    }

    public override Tensor forward(Tensor x)
    {
        using var codes = Encode(new ActivationBatch(x));
        return Decode(codes);
    }
}

internal sealed class ToyDictionaryOptions
{
    [Range(1L, 1L << 30)]
    public long FeatureCount { get; set; } = 16;

    [Range(0L, 1L << 30)]
    public long Width { get; set; }
}
