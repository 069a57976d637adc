using static TorchSharp.torch;

namespace LmKit;

/// <summary>Dual chunk attention: every earlier token is seen, at the distance of positions within chunks (An et al. 2024, section 3).</summary>
/// <remarks>
/// <para>With i' = i mod s and j' = j mod s, a key of the query's chunk is shown at i' - j', which is true; a key of the chunk before at
/// min(i' + s, s + w - 1) - j', which is true up to distance w; any earlier key at s + w - 1 - j'. These are the paper's intra-chunk,
/// successive-chunk and inter-chunk attention, whose pretraining length c is s + w here. No distance is above s + w - 1, and while a text is no longer
/// than s this is plain causal attention. Written from the formulas, not compared with the authors' code.</para>
/// <para>Nothing is forgotten, so a carried cache grows with the text, and each call encodes its keys. Time is quadratic in the length; scores
/// are held for a tile of queries at a time, unless gradients keep them.</para>
/// </remarks>
public sealed class DualChunkMask : IAttentionMask, IMaskedAttention
{
    private readonly DistanceView[] views;

    /// <summary>Makes the mask.</summary>
    /// <exception cref="ArgumentException">s or w is below 1, or w above s.</exception>
    public DualChunkMask(DualChunkMaskOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        PolicyLayer.AtLeast(nameof(DualChunkMaskOptions), nameof(options.ChunkLength), options.ChunkLength, 1);
        PolicyLayer.AtLeast(nameof(DualChunkMaskOptions), nameof(options.LocalLength), options.LocalLength, 1);
        var (chunk, local) = (options.ChunkLength, options.LocalLength);
        if (local > chunk)
            throw new ArgumentException($"{nameof(DualChunkMaskOptions)}.{nameof(options.LocalLength)} = {local} is above {nameof(options.ChunkLength)} = {chunk}; tokens would be shown farther away than they are.", nameof(options));
        (ChunkLength, LocalLength) = (chunk, local);
        var most = chunk + local - 1;
        views =
        [
            new DistanceView(Within, Within, (i, j) => Chunk(i).eq(Chunk(j)), (first, last) => (first / chunk * chunk, last)),
            new DistanceView(i => Within(i).add_(chunk).clamp_(max: most), Within, (i, j) => (Chunk(i) - Chunk(j)).eq(1), (first, last) => (((first / chunk) - 1) * chunk, (last / chunk * chunk) - 1)),
            new DistanceView(i => full_like(i, most), Within, (i, j) => (Chunk(i) - Chunk(j)).gt(1), (_, last) => (0, (((last / chunk) - 1) * chunk) - 1)),
        ];

        Tensor Within(Tensor positions) => positions.remainder(chunk);

        Tensor Chunk(Tensor positions) => positions.div(chunk, rounding_mode: RoundingMode.floor);
    }

    /// <summary>Makes the mask of a layer.</summary>
    /// <exception cref="ArgumentException">An option is out of range, tokens of the model see later tokens, or positions are learned.</exception>
    public DualChunkMask(DualChunkMaskOptions options, LayerContext layer)
        : this(options) => PolicyLayer.Check(layer, "dual chunk attention");

    /// <summary>Tokens of a chunk, s.</summary>
    public long ChunkLength { get; }

    /// <summary>Tokens no farther than this are shown at their true distance, w.</summary>
    public long LocalLength { get; }

    /// <inheritdoc/>
    public bool IsCausal => true;

    /// <inheritdoc/>
    public bool Forgets => false;

    /// <summary>Null: no ceiling says at which distances tokens of other chunks are shown.</summary>
    public long? DistanceCeiling => null;

    /// <summary>False: distances are those of <see cref="Attend"/> alone.</summary>
    public bool HasDenseForm => false;

    /// <inheritdoc/>
    public bool ServesSoftCap => true;

    /// <inheritdoc/>
    public bool ServesSinks => true;

    /// <inheritdoc/>
    public Tensor? Visible(Tensor queries, Tensor keys) => ViewedAttention.Causal(queries, keys, nameof(DualChunkMask));

    /// <inheritdoc/>
    /// <remarks>Scores and softmax are computed in float32 or wider whatever the dtype.</remarks>
    public Tensor? Attend(AttentionInput input) => ViewedAttention.Attend(input, this, views, ChunkLength);

    /// <summary>The mask's name and its numbers.</summary>
    public override string ToString() => $"{nameof(DualChunkMask)} ({nameof(ChunkLength)} = {ChunkLength}, {nameof(LocalLength)} = {LocalLength})";
}
