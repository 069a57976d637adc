using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Multi-head attention: softmax(q k^T / sqrt(P)) v per head, then an output projection (Vaswani et al. 2017, Eq. 1).</summary>
/// <remarks>Query head h reads key and value head h / (H / Hkv). The layer's mask says what is seen and may bring its own way to
/// attend (<see cref="IMaskedAttention"/>). Hook points: <c>q</c>, <c>k</c>, <c>v</c> before any position encoding and <c>z</c>, what
/// each head brings to the output projection, all (B, L, H, P) with Hkv heads for <c>k</c> and <c>v</c>.</remarks>
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
    private readonly Dropout dropout;
    private readonly IAttentionMask mask;
    private readonly PositionEncoding? encoding;
    private readonly long modelDim;
    private readonly long headCount;
    private readonly long keyHeadCount;
    private readonly long headDim;
    private readonly bool hasDropout;
    private readonly HookPoint queryPoint;
    private readonly HookPoint keyPoint;
    private readonly HookPoint valuePoint;
    private readonly HookPoint headPoint;

    /// <summary>Makes it for a layer.</summary>
    /// <exception cref="ArgumentException">The head counts or widths do not fit each other or the model.</exception>
    public Attention(AttentionOptions options, LayerContext layer)
        : base(nameof(Attention))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        modelDim = layer.ModelDim;
        headCount = options.HeadCount;
        keyHeadCount = options.KeyValueHeadCount > 0 ? options.KeyValueHeadCount : headCount;
        if (headCount % keyHeadCount != 0)
            throw new ArgumentException($"num_key_value_heads = {keyHeadCount} does not divide num_attention_heads = {headCount}.", nameof(options));
        if (options.HeadDim == 0 && modelDim % headCount != 0)
            throw new ArgumentException($"num_attention_heads = {headCount} does not divide d_model = {modelDim}; give head_dim.", nameof(options));
        headDim = options.HeadDim > 0 ? options.HeadDim : modelDim / headCount;
        encoding = layer.Positions(options.HeadCount, headDim);
        mask = layer.Mask();
        if (options.DropoutRate > 0 && mask is IMaskedAttention)
            _ = mask.DistanceCeiling; // dropout attends through it; a mask that it cannot say throws here, not at the first step
        queries = layer.Linear("q_proj", modelDim, headCount * headDim, options.HasBias);
        keys = layer.Linear("k_proj", modelDim, keyHeadCount * headDim, options.HasBias);
        values = layer.Linear("v_proj", modelDim, keyHeadCount * headDim, options.HasBias);
        output = layer.Linear("out_proj", headCount * headDim, modelDim, options.HasBias, isResidualOutput: true);
        dropout = layer.Dropout(options.DropoutRate);
        hasDropout = options.DropoutRate > 0;
        (queryPoint, keyPoint, valuePoint, headPoint) = (layer.HookPoint("q"), layer.HookPoint("k"), layer.HookPoint("v"), layer.HookPoint("z"));
        RegisterComponents();
    }

    /// <inheritdoc/>
    public bool IsCausal => mask.IsCausal;

    /// <inheritdoc/>
    public MixerState NewState(long batch) => IsCausal
        ? new KeyValueCache(mask, encoding, batch, keyHeadCount, headDim)
        : throw new NotSupportedException($"{nameof(Attention)} with {mask.GetType().Name} lets tokens see later tokens, so no state can be carried from call to call.");

    /// <inheritdoc/>
    public override Tensor forward(Tensor x, SequenceContext? context)
    {
        Shapes.CheckSequence(x, modelDim, nameof(Attention));
        using var scope = NewDisposeScope();
        var (batch, length) = (x.size(0), x.size(1));
        var q = Split(queries.call(x), headCount, queryPoint); // (B, L, H, P)
        var k = Split(keys.call(x), keyHeadCount, keyPoint);
        var v = Split(values.call(x), keyHeadCount, valuePoint);
        var cache = context?.State switch
        {
            null => null,
            KeyValueCache own => own,
            var other => throw new ArgumentException($"{nameof(Attention)} carries a {nameof(KeyValueCache)}; got {other.GetType().Name}.", nameof(context)),
        };
        var active = hasDropout && training ? dropout : null;
        var attended = (active is null ? cache?.Step(q, k, v, context!.Segments) : null)
            ?? Attend(cache?.Extend(q, k, v, context!.Segments) ?? Whole(q, k, v, context?.Segments), active);
        cache?.Trim();
        attended = HalfPrecision.Narrow(attended, x.dtype); // a cache may hold wider numbers than the model's
        var joined = headPoint.Pass(attended).reshape(batch, length, headCount * headDim); // (B, L, D)
        return output.call(joined).MoveToOuterDisposeScope();

        Tensor Split(Tensor joinedHeads, long heads, HookPoint point) => point.Pass(joinedHeads.view(batch, length, heads, headDim));
    }

    // (B, L, H, P).
    private Tensor Attend(AttentionInput input, Dropout? active) =>
        ((active is null ? (mask as IMaskedAttention)?.Attend(input) : null) ?? DenseAttention.Attend(input, mask, active)).transpose(1, 2);

    private AttentionInput Whole(Tensor q, Tensor k, Tensor v, Tensor? segments)
    {
        (q, k, v) = (q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2));
        var layout = SequenceLayout.Read(q.size(0), q.size(2), segments);
        var positions = layout.PositionTensor(q.device);
        var documents = layout.IsUniform ? null : layout.SegmentTensor(q.device);
        return new AttentionInput(q, k, v, positions, positions, documents, documents, layout.EncodingOf(encoding));
    }
}
