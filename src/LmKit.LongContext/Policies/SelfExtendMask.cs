using static TorchSharp.torch;

namespace LmKit;

/// <summary>Self-Extend: every earlier token is seen, near ones at their true distance, far ones at positions that groups of tokens share
/// (Jin et al. 2024, section 3).</summary>
/// <remarks>
/// <para>Distance shown: i - j if i - j &lt; w, else floor(i / g) - floor(j / g) + w - floor(w / g). While a text is no longer than w this is plain
/// causal attention, and so it is at any length for g = 1. Written from the formula, not compared with the authors' code.</para>
/// <para>Nothing is forgotten, so a carried cache grows with the text, and each call encodes its keys. Time is quadratic in the length; scores
/// are held for a tile of queries at a time, unless gradients keep them.</para>
/// </remarks>
public sealed class SelfExtendMask : IAttentionMask, IMaskedAttention
{
    private readonly DistanceView[] views;

    /// <summary>Makes the mask.</summary>
    /// <exception cref="ArgumentException">w or g is below 1.</exception>
    public SelfExtendMask(SelfExtendMaskOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        PolicyLayer.AtLeast(nameof(SelfExtendMaskOptions), nameof(options.NeighborLength), options.NeighborLength, 1);
        PolicyLayer.AtLeast(nameof(SelfExtendMaskOptions), nameof(options.GroupSize), options.GroupSize, 1);
        var (near, group) = (options.NeighborLength, options.GroupSize);
        (NeighborLength, GroupSize) = (near, group);
        views =
        [
            DistanceView.Near(near),
            new DistanceView(i => Grouped(i).add_(near - (near / group)), Grouped, (i, j) => (i - j).ge(near), (_, last) => (0, last - near)),
        ];

        Tensor Grouped(Tensor positions) => positions.div(group, rounding_mode: RoundingMode.floor);
    }

    /// <summary>Makes the mask of a layer.</summary>
    /// <exception cref="ArgumentException">An option is out of range, tokens of the model see later tokens, or positions are learned.</exception>
    public SelfExtendMask(SelfExtendMaskOptions options, LayerContext layer)
        : this(options) => PolicyLayer.Check(layer, "Self-Extend");

    /// <summary>Tokens nearer than this are shown at their true distance, w.</summary>
    public long NeighborLength { get; }

    /// <summary>Positions of farther tokens that become one, g.</summary>
    public long GroupSize { get; }

    /// <inheritdoc/>
    public bool IsCausal => true;

    /// <inheritdoc/>
    public bool Forgets => false;

    /// <summary>Null: no ceiling says at which distances far tokens are shown.</summary>
    public long? DistanceCeiling => null;

    /// <summary>False: distances are those of <see cref="Attend"/> alone.</summary>
    public bool HasDenseForm => false;

    /// <inheritdoc/>
    public bool ServesSoftCap => true;

    /// <inheritdoc/>
    public bool ServesSinks => true;

    /// <inheritdoc/>
    public Tensor? Visible(Tensor queries, Tensor keys) => ViewedAttention.Causal(queries, keys, nameof(SelfExtendMask));

    /// <inheritdoc/>
    /// <remarks>Scores and softmax are computed in float32 or wider whatever the dtype.</remarks>
    public Tensor? Attend(AttentionInput input) => ViewedAttention.Attend(input, this, views, NeighborLength);

    /// <summary>The mask's name and its numbers.</summary>
    public override string ToString() => $"{nameof(SelfExtendMask)} ({nameof(NeighborLength)} = {NeighborLength}, {nameof(GroupSize)} = {GroupSize})";
}
