using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Causal attention over a bounded number of keys: whenever more than C are held after a block of tokens, those that the policy values
/// least are dropped for good.</summary>
/// <remarks>
/// <para>Let n be the tokens of a document so far. A query sees every key that is still held, at its true distance. After token n, where b
/// divides n and more than C keys are held, the first tokens, the last ones, and of the others those of the best scores stay, C in all;
/// keys are judged as they are held, turned where positions are rotary. While a document is no longer than C this is plain causal
/// attention.</para>
/// <para>What is seen depends on what the keys hold, so <see cref="Visible"/> can only say that no query sees a later key, and attention
/// carries a state of its own. Without a state a call computes the same block by block, with gradients: exact ones, the choice of keys
/// being constant almost everywhere. Rows with padding or several documents are read one by one. Soft caps of scores are served; sinks,
/// dropout of weights, caches in 8 bits and positions whose angles depend on the length are refused.</para>
/// </remarks>
public sealed class EvictionMask : IAttentionMask, IMaskedAttention, ICarryingMask
{
    private readonly EvictionMaskOptions options;

    /// <summary>Makes the mask.</summary>
    /// <exception cref="ArgumentException">A length is out of range, or starts and recent tokens are more than the budget.</exception>
    public EvictionMask(EvictionMaskOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check(options.Budget, 1, nameof(options.Budget));
        Check(options.StartLength, 0, nameof(options.StartLength));
        Check(options.RecentLength, 0, nameof(options.RecentLength));
        Check(options.BlockLength, 1, nameof(options.BlockLength));
        if (!Enum.IsDefined(options.Policy))
            throw new ArgumentException($"{nameof(EvictionMaskOptions)}.{nameof(options.Policy)} = {options.Policy} is none of the policies.", nameof(options));
        if ((long)options.StartLength + options.RecentLength > options.Budget)
        {
            throw new ArgumentException(
                $"{nameof(EvictionMaskOptions)}.{nameof(options.Budget)} = {options.Budget} has no room for {nameof(options.StartLength)} = {options.StartLength} and {nameof(options.RecentLength)} = {options.RecentLength} keys that always stay.",
                nameof(options));
        }
        this.options = new EvictionMaskOptions
        {
            Policy = options.Policy,
            Budget = options.Budget,
            StartLength = options.StartLength,
            RecentLength = options.RecentLength,
            BlockLength = options.BlockLength,
        };

        static void Check(long value, long least, string name)
        {
            if (value < least)
                throw new ArgumentException($"{nameof(EvictionMaskOptions)}.{name} = {value} must be {least} or more.", nameof(options));
        }
    }

    /// <summary>Makes the mask of a layer.</summary>
    /// <exception cref="ArgumentException">An option is out of range, tokens of the model see later tokens, or positions are learned.</exception>
    public EvictionMask(EvictionMaskOptions options, LayerContext layer)
        : this(options)
    {
        ArgumentNullException.ThrowIfNull(layer);
        if (layer.IsBidirectional)
            throw new ArgumentException($"{nameof(LanguageModelOptions)}.{nameof(LanguageModelOptions.IsBidirectional)} = true ($.model.is_bidirectional) lets tokens see later tokens, and {nameof(EvictionMaskOptions)}.{nameof(options.Budget)} = {options.Budget} bounds a causal cache; drop the mask or build a causal model.", nameof(layer));
    }

    /// <inheritdoc/>
    public bool IsCausal => true;

    /// <summary>False: which keys are dropped is not told by positions.</summary>
    public bool Forgets => false;

    /// <inheritdoc/>
    public long? DistanceCeiling => null;

    /// <summary>False: what is seen depends on what the keys hold.</summary>
    public bool HasDenseForm => false;

    /// <inheritdoc/>
    public bool ServesSoftCap => true;

    /// <summary>The most that a query may see: itself and all earlier keys.</summary>
    /// <param name="queries">Absolute positions (..., L) int64.</param>
    /// <param name="keys">Absolute positions (..., M) int64.</param>
    public Tensor? Visible(Tensor queries, Tensor keys) => new CausalMask().Visible(queries, keys);

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The keys are not those of the queries' own columns, or the rows have encodings of their own.</exception>
    public Tensor? Attend(AttentionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        input.Check();
        if (input.Keys.size(2) != input.Queries.size(2) || input.HasEncodedKeys)
            throw new NotSupportedException($"{this} attends over the keys of a call or over those of its own state, not over {input.Keys.size(2)} keys of another cache for {input.Queries.size(2)} queries.");
        if (input.Queries.numel() == 0)
            return zeros_like(input.Queries);
        using var scope = NewDisposeScope();
        var given = input.Queries.dtype;
        var wide = input.Encoding is null ? input : input.Widened();
        var call = new EvictionCall(options, wide.Encoding, wide.SoftCap);
        var documents = input.QuerySegments is null ? null : HostValues.Read(input.QuerySegments);
        var (attended, _) = call.Attend(KeptKeys.None(wide.Keys), null, wide.Queries, wide.Keys, wide.Values, documents);
        return attended.to(given).MoveToOuterDisposeScope();
    }

    /// <summary>The mask's name and its options.</summary>
    public override string ToString() =>
        $"{nameof(EvictionMask)} ({options.Policy}, {nameof(options.Budget)} = {options.Budget}, {nameof(options.StartLength)} = {options.StartLength}, {nameof(options.RecentLength)} = {options.RecentLength}, {nameof(options.BlockLength)} = {options.BlockLength})";

    MixerState ICarryingMask.NewState(PositionEncoding? encoding, long batch, long keyHeads, long headDim) =>
        new EvictionState(ToString(), options, encoding, batch, keyHeads, headDim);
}
