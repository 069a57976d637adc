using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The distance ceiling alone: a query sees all earlier tokens, none further away than D, as min(i - j, D) (Han et al. 2024, figure 5, one half
/// of LM-Infinite, for comparison).</summary>
/// <remarks>
/// <para>A cache keeps everything, and a token costs time in proportion to the text. While a text is no longer than D it is plain causal
/// attention.</para>
/// <para>With a triangle offset t the scores of middle tokens G &lt;= j &lt;= i - L of query i &gt;= G + L are lowered by t ln(max(1, i - L + 1 - G)), which
/// holds against too many attended tokens (the authors' code; not in the paper).</para>
/// </remarks>
public sealed class CeilingMask : IAttentionMask, IMaskedAttention
{
    private readonly double offset;
    private readonly long local;
    private readonly long globals;
    private readonly DistanceView[] views;

    /// <summary>Makes the mask.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public CeilingMask(CeilingMaskOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check(options.DistanceCeiling, 0, nameof(options.DistanceCeiling));
        Check(options.GlobalLength, 0, nameof(options.GlobalLength));
        if (options.LocalLength is { } given)
            Check(given, 1, nameof(options.LocalLength));
        if (!double.IsFinite(options.TriangleOffset) || options.TriangleOffset < 0)
            throw new ArgumentException(FormattableString.Invariant($"{nameof(CeilingMaskOptions)}.{nameof(options.TriangleOffset)} = {options.TriangleOffset} must be 0 or a positive, finite number."), nameof(options));
        (Ceiling, offset, globals) = (options.DistanceCeiling, options.TriangleOffset, options.GlobalLength);
        local = options.LocalLength ?? Math.Max(1, options.DistanceCeiling);
        views = [DistanceView.Near(Ceiling), new DistanceView(i => full_like(i, Ceiling), j => zeros_like(j), (i, j) => (i - j).ge(Ceiling), (_, last) => (0, last - Ceiling))];

        static void Check(long value, long least, string name)
        {
            if (value < least)
                throw new ArgumentException($"{nameof(CeilingMaskOptions)}.{name} = {value} must be {least} or more.", nameof(options));
        }
    }

    /// <summary>Makes the mask of a layer.</summary>
    /// <exception cref="ArgumentException">An option is out of range, tokens of the model see later tokens, or positions are learned.</exception>
    public CeilingMask(CeilingMaskOptions options, LayerContext layer)
        : this(options)
    {
        PolicyLayer.Check(layer, "the ceiling mask");
    }

    /// <summary>The largest distance shown, D.</summary>
    public long Ceiling { get; }

    /// <inheritdoc/>
    public bool IsCausal => true;

    /// <inheritdoc/>
    public bool Forgets => false;

    /// <inheritdoc/>
    public long? DistanceCeiling => Ceiling;

    /// <summary>Whether there is no triangle offset, which no predicate says.</summary>
    public bool HasDenseForm => offset == 0;

    /// <inheritdoc/>
    public bool ServesSoftCap => true;

    /// <inheritdoc/>
    public bool ServesSinks => true;

    /// <inheritdoc/>
    public Tensor? Visible(Tensor queries, Tensor keys) => ViewedAttention.Causal(queries, keys, nameof(CeilingMask));

    /// <inheritdoc/>
    /// <remarks>Scores and softmax are computed in float32 or wider whatever the dtype.</remarks>
    public Tensor? Attend(AttentionInput input)
    {
        if (offset > 0)
            return ViewedAttention.Attend(input, this, views, Math.Min(Ceiling, local), Lowered);
        ArgumentNullException.ThrowIfNull(input);
        input.Check();
        if (AttentionInput.Misfit(this, input.Encoding) is { } misfit)
            throw new ArgumentException(misfit, nameof(input));
        // Every earlier token is a starting one, shown at D beyond the window of the distances below D.
        return LambdaAttention.Attend(input, new MaskReach(Ceiling, long.MaxValue, Ceiling));
    }

    /// <summary>The mask's name and its options.</summary>
    public override string ToString() =>
        FormattableString.Invariant($"{nameof(CeilingMask)} ({nameof(CeilingMaskOptions.DistanceCeiling)} = {Ceiling}{(offset == 0 ? "" : FormattableString.Invariant($", {nameof(CeilingMaskOptions.TriangleOffset)} = {offset}"))})");

    // What scores of queries at i (B, T, 1) for keys at j (B, 1, M) are lowered by.
    private Tensor Lowered(Tensor i, Tensor j, ScalarType dtype)
    {
        var isMiddle = j.ge(globals).logical_and((i - j).ge(local));
        return (i - (local - 1 + globals)).clamp(min: 1).to(dtype).log() * offset * isMiddle;
    }
}
