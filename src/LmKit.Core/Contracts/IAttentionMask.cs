using static TorchSharp.torch;

namespace LmKit;

/// <summary>Which keys a query sees, as a predicate on absolute positions, and at which distance.</summary>
/// <remarks>Immutable and pure, hence thread-safe; holds no tensors. Laws: causal means no query sees a later key;
/// forgetting means that a key once hidden stays hidden; null from <see cref="Visible"/> only if all is true.</remarks>
public interface IAttentionMask
{
    /// <summary>Whether no query sees a later key.</summary>
    bool IsCausal { get; }

    /// <summary>Whether it is the plain causal mask: every query sees itself and all earlier keys, at true distances. Attention then needs no
    /// mask tensor. False by default.</summary>
    bool IsPlainCausal => false;

    /// <summary>Whether a key hidden from the next query stays hidden, so that caches may drop it.</summary>
    bool Forgets { get; }

    /// <summary>Distances shown to the position encoding are min(i - j, ceiling); null for none.</summary>
    long? DistanceCeiling { get; }

    /// <summary>Tells which keys each query sees.</summary>
    /// <param name="queries">Absolute positions (..., L) int64.</param>
    /// <param name="keys">Absolute positions (..., M) int64.</param>
    /// <returns>(..., L, M) bool, or null when every key is seen.</returns>
    Tensor? Visible(Tensor queries, Tensor keys);
}

/// <summary>A mask that brings its own way to attend, faster than or beyond what <see cref="IAttentionMask.Visible"/> can say.</summary>
/// <remarks><see cref="Attention"/> asks it first, except while dropout acts on the attention weights, or while scores are capped and it
/// does not serve that. Its result must equal attention through <see cref="IAttentionMask.Visible"/> and
/// <see cref="IAttentionMask.DistanceCeiling"/> while <see cref="HasDenseForm"/> is true.</remarks>
public interface IMaskedAttention
{
    /// <summary>Whether <see cref="DenseAttention"/> over <see cref="IAttentionMask.Visible"/> and <see cref="IAttentionMask.DistanceCeiling"/>
    /// computes the same, so that it may stand in. True by default; a mask that says false never declines a case, and is refused where
    /// dropout or a soft cap would need the stand-in.</summary>
    bool HasDenseForm => true;

    /// <summary>Whether <see cref="Attend"/> obeys <see cref="AttentionInput.SoftCap"/>. False by default: it is then not asked where scores
    /// are capped.</summary>
    bool ServesSoftCap => false;

    /// <summary>Whether <see cref="Attend"/> obeys <see cref="AttentionInput.Sinks"/>. False by default: it is then not asked where attention
    /// has sinks.</summary>
    bool ServesSinks => false;

    /// <summary>Attends, or declines a case that it does not serve.</summary>
    /// <param name="input">Queries, keys and values before position encoding, with positions and segments.</param>
    /// <returns>(B, H, L, P), or null to let <see cref="Attention"/> do it.</returns>
    Tensor? Attend(AttentionInput input);
}

/// <summary>A causal mask whose whole meaning is three numbers, so that a token's step over a cache needs no mask tensors.</summary>
/// <remarks>Such a mask attends over keys that are encoded already, as over keys that are not
/// (<see cref="AttentionInput.HasEncodedKeys"/>).</remarks>
internal interface IReachingMask
{
    /// <summary>The three numbers.</summary>
    MaskReach Reach { get; }
}

/// <summary>The keys that a query sees and the distances at which it sees them, in three numbers.</summary>
/// <param name="Window">Keys nearer than this are seen at their true distance.</param>
/// <param name="Starts">Keys beyond it are seen where their position is below this.</param>
/// <param name="Ceiling">The number D that tells the distance at which those are seen.</param>
/// <param name="Far">How it tells it.</param>
internal readonly record struct MaskReach(long Window, long Starts, long Ceiling, FarDistance Far = FarDistance.Ceiling)
{
    /// <summary>All earlier keys and the query's own, at true distances.</summary>
    internal static MaskReach All => new(long.MaxValue, 0, 0);

    /// <summary>The distance at which a far key is seen.</summary>
    internal long FarDistanceOf(long query, long key) => Far switch
    {
        FarDistance.Ceiling => Ceiling,
        FarDistance.Closed => Math.Min(query, Ceiling) - key,
        _ => query - key,
    };

    /// <summary>Where a query would stand to see a far key at that distance.</summary>
    internal long FarPosition(long query, long key) => Far switch
    {
        FarDistance.Ceiling => key + Ceiling,
        FarDistance.Closed => Math.Min(query, Ceiling),
        _ => query,
    };
}

/// <summary>The distance at which a starting token j beyond the window is seen.</summary>
internal enum FarDistance
{
    /// <summary>D, the same for all (LM-Infinite).</summary>
    Ceiling,

    /// <summary>min(i, D) - j: as if what lies between starts and window were not there (StreamingLLM).</summary>
    Closed,

    /// <summary>The true one, i - j; D says nothing.</summary>
    True,
}

/// <summary>A mask whose choice of keys depends on what they hold, and that therefore carries them itself from call to call.</summary>
internal interface ICarryingMask : IMaskedAttention
{
    /// <summary>Makes the state of so many rows at the start of a sequence, which attends by itself (<see cref="IAttendingState"/>).</summary>
    MixerState NewState(PositionEncoding? encoding, long batch, long keyHeads, long headDim);
}

/// <summary>The state of a mask that carries keys itself.</summary>
internal interface IAttendingState
{
    /// <summary>Takes new keys and values in and attends; everything in the caller's scope.</summary>
    /// <param name="q">(B, L, H, P) before position encoding.</param>
    /// <param name="k">(B, L, Hkv, P), likewise.</param>
    /// <param name="v">(B, L, Hkv, P).</param>
    /// <param name="segments">As in <see cref="SequenceContext"/>.</param>
    /// <param name="softCap">The bound of the scores, or null.</param>
    /// <returns>(B, L, H, P).</returns>
    Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor? segments, double? softCap);
}
