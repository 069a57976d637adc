using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Multi-head attention: softmax(q k^T / sqrt(P)) v per head, then an output projection (Vaswani et al. 2017, Eq. 1).</summary>
/// <remarks>
/// <para>Query head h reads key and value head h / (H / Hkv). The layer's mask says what is seen and may bring its own way to
/// attend (<see cref="IMaskedAttention"/>).</para>
/// <para>With all options q = norm(clip(W_q x + b_q)), k likewise, v = clip(W_v x + b_v), and the score of two positions is
/// c tanh(s q' . k' / c) plus the encoding's bias, with q' and k' encoded at their positions, s the scale and c the soft cap. The scale is
/// folded into the queries, which half precision rounds once more by it.</para>
/// <para>Hook points: <c>q</c>, <c>k</c>, <c>v</c> after clip and norm, before scale and positions, and <c>z</c>, what
/// each head brings to the output projection, all (B, L, H, P) with Hkv heads for <c>k</c> and <c>v</c>.</para>
/// </remarks>
public sealed class Attention : nn.Module<Tensor, SequenceContext?, Tensor>, IMixer
{
    [ComponentName(Name = "q_proj")]
    private readonly ILinear queries;
    [ComponentName(Name = "k_proj")]
    private readonly ILinear keys;
    [ComponentName(Name = "v_proj")]
    private readonly ILinear values;
    [ComponentName(Name = "out_proj")]
    private readonly ILinear output;
    [ComponentName(Name = "q_norm")]
    private readonly nn.IModule<Tensor, Tensor>? queryNorm;
    [ComponentName(Name = "k_norm")]
    private readonly nn.IModule<Tensor, Tensor>? keyNorm;
    [ComponentName(Name = "sinks")]
    private readonly Parameter? sinks; // (H)
    private readonly Dropout dropout;
    private readonly IAttentionMask mask;
    private readonly PositionEncoding? encoding;
    private readonly long modelDim;
    private readonly long headCount;
    private readonly long keyHeadCount;
    private readonly long headDim;
    private readonly bool hasDropout;
    private readonly bool normsWhole;
    private readonly double queryFactor; // on queries whose scores are divided by sqrt(P): the scale times sqrt(P)
    private readonly double? clip;
    private readonly double? softCap;
    private readonly CacheFormat cacheFormat;
    private readonly IMaskedAttention? ownWay; // the mask's own way to attend, unless there is a soft cap or sinks that it does not serve
    private readonly HookPoint queryPoint;
    private readonly HookPoint keyPoint;
    private readonly HookPoint valuePoint;
    private readonly HookPoint headPoint;
    private volatile Action<AttentionInput, IAttentionMask>? watcher;

    /// <summary>Makes it for a layer.</summary>
    /// <exception cref="ArgumentException">The head counts or widths do not fit each other or the model, the layer's mask can only attend
    /// by itself where dropout or a soft cap needs another way, or it shows other distances where the positions' scores depend on more.</exception>
    public Attention(AttentionOptions options, LayerContext layer)
        : base(nameof(Attention))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        modelDim = layer.ModelDim;
        headCount = options.HeadCount;
        keyHeadCount = options.KeyValueHeadCount > 0 ? options.KeyValueHeadCount : headCount;
        if (headCount % keyHeadCount != 0)
            throw new ArgumentException($"{nameof(AttentionOptions)}.{nameof(options.KeyValueHeadCount)} = {keyHeadCount} does not divide {nameof(options.HeadCount)} = {headCount}.", nameof(options));
        if (options.HeadDim == 0 && modelDim % headCount != 0)
            throw new ArgumentException($"{nameof(AttentionOptions)}.{nameof(options.HeadCount)} = {headCount} does not divide ModelDim = {modelDim}; give {nameof(options.HeadDim)}.", nameof(options));
        headDim = options.HeadDim > 0 ? options.HeadDim : modelDim / headCount;
        encoding = layer.Positions(options.HeadCount, headDim);
        mask = layer.Mask();
        (softCap, cacheFormat) = (options.SoftCap, options.CacheFormat);
        ownWay = mask as IMaskedAttention;
        if (AttentionInput.Misfit(mask, encoding) is { } misfit)
            throw new ArgumentException(misfit, nameof(layer));
        CheckMask(options);
        if (softCap is not null && ownWay is { ServesSoftCap: false })
            ownWay = null;
        if (options.HasSinks && ownWay is { ServesSinks: false })
            ownWay = null;
        queries = layer.Linear("q_proj", modelDim, headCount * headDim, options.HasBias);
        keys = layer.Linear("k_proj", modelDim, keyHeadCount * headDim, options.HasBias);
        values = layer.Linear("v_proj", modelDim, keyHeadCount * headDim, options.HasBias);
        output = layer.Linear("out_proj", headCount * headDim, modelDim, options.HasOutputBias ?? options.HasBias, isResidualOutput: true);
        normsWhole = options.QueryKeyNorm == QueryKeyNorm.Whole;
        if (options.QueryKeyNorm != QueryKeyNorm.None)
        {
            queryNorm = layer.Norm("q_norm", normsWhole ? headCount * headDim : headDim);
            keyNorm = layer.Norm("k_norm", normsWhole ? keyHeadCount * headDim : headDim);
        }
        sinks = options.HasSinks ? layer.Parameters.Constant(0, headCount) : null;
        clip = options.Clip;
        queryFactor = (options.Scale is { } scale ? scale * Math.Sqrt(headDim) : 1) / (options.DividesScaleByLayer ? layer.LayerIndex + 1 : 1);
        dropout = layer.Dropout(options.DropoutRate);
        hasDropout = options.DropoutRate > 0;
        (queryPoint, keyPoint, valuePoint, headPoint) = (layer.HookPoint("q"), layer.HookPoint("k"), layer.HookPoint("v"), layer.HookPoint("z"));
        RegisterComponents();
    }

    /// <inheritdoc/>
    public bool IsCausal => mask.IsCausal;

    /// <summary>The layer's mask.</summary>
    internal IAttentionMask Mask => mask;

    /// <inheritdoc/>
    public MixerState NewState(long batch) => IsCausal
        ? (mask as ICarryingMask)?.NewState(encoding, batch, keyHeadCount, headDim) ?? new KeyValueCache(mask, encoding, batch, keyHeadCount, headDim, cacheFormat)
        : throw new NotSupportedException($"{nameof(Attention)} with {mask.GetType().Name} lets tokens see later tokens, so no state can be carried from call to call.");

    /// <summary>Is shown what each call attends on, keys of the cache included, and through which mask, before it attends; inside the call's dispose
    /// scope, on its thread. Null, the default, for nobody.</summary>
    internal Action<AttentionInput, IAttentionMask>? Watcher
    {
        get => watcher;
        set => watcher = value;
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor x, SequenceContext? context)
    {
        Shapes.CheckSequence(x, modelDim, nameof(Attention));
        using var scope = NewDisposeScope();
        var (batch, length) = (x.size(0), x.size(1));
        var q = Scaled(Split(queries.call(x), headCount, queryPoint, queryNorm)); // (B, L, H, P)
        var k = Split(keys.call(x), keyHeadCount, keyPoint, keyNorm);
        var v = Split(values.call(x), keyHeadCount, valuePoint, null);
        var cache = context?.State switch
        {
            null => null,
            KeyValueCache own when mask is not ICarryingMask => own,
            IAttendingState when mask is ICarryingMask => null,
            var other => throw new ArgumentException($"{nameof(Attention)} through {mask} carries {(mask is ICarryingMask ? "a state of the mask's own" : $"a {nameof(KeyValueCache)}")}; got {other.GetType().Name}.", nameof(context)),
        };
        var active = hasDropout && training ? dropout : null;
        var attended = (context?.State as IAttendingState)?.Attend(q, k, v, context!.Segments, softCap)
            ?? (active is null && watcher is null ? cache?.Step(q, k, v, context!.Segments, softCap, sinks) : null)
            ?? Attend(cache?.Extend(q, k, v, context!.Segments, softCap, sinks) ?? Whole(q, k, v, context?.Segments), active);
        cache?.Trim();
        attended = HalfPrecision.Narrow(attended, x.dtype); // a cache may hold wider numbers than the model's
        var joined = headPoint.Pass(attended, context).reshape(batch, length, headCount * headDim); // (B, L, D)
        return output.call(joined).MoveToOuterDisposeScope();

        Tensor Split(Tensor joinedHeads, long heads, HookPoint point, nn.IModule<Tensor, Tensor>? norm)
        {
            if (clip is { } bound)
                joinedHeads = joinedHeads.clamp(-bound, bound);
            if (normsWhole && norm is not null)
                joinedHeads = norm.call(joinedHeads);
            var split = joinedHeads.view(batch, length, heads, headDim);
            return point.Pass(normsWhole || norm is null ? split : norm.call(split), context);
        }
    }

    private Tensor Scaled(Tensor q) => queryFactor == 1 ? q : q * queryFactor;

    // (B, L, H, P).
    private Tensor Attend(AttentionInput input, Dropout? active)
    {
        watcher?.Invoke(input, mask);
        return ((active is null ? ownWay?.Attend(input) : null) ?? DenseAttention.Attend(input, mask, active)).transpose(1, 2);
    }

    private AttentionInput Whole(Tensor q, Tensor k, Tensor v, Tensor? segments)
    {
        (q, k, v) = (q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2));
        var layout = SequenceLayout.Read(q.size(0), q.size(2), segments);
        var positions = layout.PositionTensor(q.device);
        var documents = layout.IsUniform ? null : layout.SegmentTensor(q.device);
        return new AttentionInput(q, k, v, positions, positions, documents, documents, layout.EncodingOf(encoding)) { SoftCap = softCap, Sinks = sinks };
    }

    // Dropout acts on weights, which only the dense form has; so does a soft cap that a mask does not serve.
    private void CheckMask(AttentionOptions options)
    {
        if (mask is ICarryingMask && options.CacheFormat != CacheFormat.Full)
            throw new ArgumentException($"{nameof(AttentionOptions)}.{nameof(options.CacheFormat)} = {options.CacheFormat} is a format of the {nameof(KeyValueCache)}, and {mask} carries keys itself. Leave {nameof(options.CacheFormat)} out, or take another mask.", nameof(options));
        if (ownWay is not { HasDenseForm: false })
            return;
        if (options.DropoutRate > 0)
            throw new ArgumentException(FormattableString.Invariant($"{nameof(AttentionOptions)}.{nameof(options.DropoutRate)} = {options.DropoutRate} acts on the weights of attention, which {mask} does not give out: it can only attend by itself. Set {nameof(options.DropoutRate)} to 0, or take another mask."), nameof(options));
        if (options.SoftCap is { } cap && !ownWay.ServesSoftCap)
            throw new ArgumentException(FormattableString.Invariant($"{nameof(AttentionOptions)}.{nameof(options.SoftCap)} = {cap} cannot be obeyed under {mask}, which can only attend by itself and does not serve soft caps. Leave {nameof(options.SoftCap)} out, or take another mask."), nameof(options));
        if (options.HasSinks && !ownWay.ServesSinks)
            throw new ArgumentException($"{nameof(AttentionOptions)}.{nameof(options.HasSinks)} = true cannot be obeyed under {mask}, which can only attend by itself and does not serve sinks. Leave {nameof(options.HasSinks)} out, or take another mask.", nameof(options));
    }
}
