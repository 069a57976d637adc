using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Parts of a third party that fill block, embedding, head and wrapper slots from outside, by public members alone.</summary>
internal static class ToyParts
{
    internal static readonly Kind<ToyBlockOptions, IBlock> Block = Slots.Block.Define<ToyBlockOptions>("toy_gated", (options, layer) => new ToyBlock(options, layer));

    internal static readonly Kind<IEmbedding> Embedding = Slots.Embedding.Define("toy_digits", layer => new ToyEmbedding(layer));

    internal static readonly Kind<LanguageModelHead> Head = Slots.Head.Define("toy_narrow", site => new LanguageModelHead(new ToyHead(site), logits => logits.tanh()));

    internal static readonly Kind<ILinear> Adapter = Slots.LinearWrapper.Define("toy_adapter", place => new ToyAdapter(place));
}

/// <summary>Options of <see cref="ToyBlock"/>.</summary>
internal sealed class ToyBlockOptions
{
    /// <summary>The gain at the start.</summary>
    public double Gain { get; set; } = 0.5;
}

/// <summary>y = x + gain * (mixer(norm(x)) + mlp(norm(x))), the gain learned per feature.</summary>
internal sealed class ToyBlock : nn.Module<Tensor, SequenceContext?, Tensor>, IBlock
{
    private readonly nn.IModule<Tensor, Tensor> norm;
    private readonly IMixer mixer;
    private readonly nn.IModule<Tensor, Tensor> mlp;
    private readonly Parameter gain;
    private readonly Dropout dropout;
    private readonly HookPoint branch;

    internal ToyBlock(ToyBlockOptions options, LayerContext layer)
        : base(nameof(ToyBlock))
    {
        norm = layer.Norm("norm");
        mixer = layer.Mixer();
        mlp = layer.FeedForward();
        gain = layer.Parameters.Constant(options.Gain, layer.ModelDim);
        dropout = layer.ResidualDropout();
        branch = layer.HookPoint("branch");
        RegisterComponents();
    }

    public bool IsCausal => mixer.IsCausal;

    public MixerState NewState(long batch) => mixer.NewState(batch);

    public override Tensor forward(Tensor x, SequenceContext? context)
    {
        using var scope = NewDisposeScope();
        var h = norm.call(x);
        return (x + dropout.call(branch.Pass(gain * (mixer.call(h, context) + mlp.call(h)), context))).MoveToOuterDisposeScope();
    }
}

/// <summary>The sum of a vector for token / 4 and one for token % 4; it has no table of V rows.</summary>
internal sealed class ToyEmbedding : nn.Module<Tensor, SequenceContext?, Tensor>, IEmbedding
{
    private readonly EmbeddingTable high;
    private readonly EmbeddingTable low;
    private readonly Dropout dropout;

    internal ToyEmbedding(LayerContext layer)
        : base(nameof(ToyEmbedding))
    {
        high = new EmbeddingTable((layer.VocabSize + 3) / 4, layer.ModelDim, layer.InitializerRange, layer.Parameters);
        low = new EmbeddingTable(4, layer.ModelDim, layer.InitializerRange, layer.Parameters);
        dropout = layer.EmbeddingDropout();
        RegisterComponents();
    }

    public Parameter? Table => null;

    public override Tensor forward(Tensor tokens, SequenceContext? context)
    {
        using var scope = NewDisposeScope();
        var ids = context?.Segments is { } segments ? tokens.masked_fill(segments.lt(0), 0) : tokens;
        return dropout.call(high.call(ids.div(4, RoundingMode.floor)) + low.call(ids.remainder(4))).MoveToOuterDisposeScope();
    }
}

/// <summary>Two maps through a narrow middle of 3.</summary>
internal sealed class ToyHead : nn.Module<Tensor, Tensor>
{
    private readonly ILinear narrow;
    private readonly ILinear wide;

    internal ToyHead(HeadSite site)
        : base(nameof(ToyHead))
    {
        narrow = site.Layer.Linear("narrow", site.Layer.ModelDim, 3, hasBias: false);
        wide = site.Layer.Linear("wide", 3, site.VocabSize);
        RegisterComponents();
    }

    public override Tensor forward(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        return wide.call(narrow.call(hidden)).MoveToOuterDisposeScope();
    }
}

/// <summary>A low-rank addition to a linear, as adapters are: y = inner(x) + (x a) b, which can be switched off.</summary>
internal sealed class ToyAdapter : nn.Module<Tensor, Tensor>, ILinear
{
    private readonly ILinear inner;
    private readonly Parameter down;
    private readonly Parameter up;

    internal ToyAdapter(WrappedSite place)
        : base(nameof(ToyAdapter))
    {
        inner = place.Inner;
        down = place.Site.Parameters.Normal(0.3, InFeatures, 2);
        up = place.Site.Parameters.Normal(0.3, 2, OutFeatures);
        RegisterComponents();
    }

    internal bool IsOn { get; set; } = true;

    public long InFeatures => inner.InFeatures;

    public long OutFeatures => inner.OutFeatures;

    public Tensor ToDense()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        return (IsOn ? inner.ToDense() + down.mm(up).t() : inner.ToDense()).MoveToOuterDisposeScope();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return (IsOn ? inner.call(x) + x.matmul(down).matmul(up) : inner.call(x)).MoveToOuterDisposeScope();
    }
}
