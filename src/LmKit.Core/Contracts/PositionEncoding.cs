using static TorchSharp.torch;

namespace LmKit;

/// <summary>Vectors that an embedding adds by position: (B, L) int64 to (B, L, D).</summary>
/// <remarks>It derives from <c>torch.nn.Module</c>, so that its parameters are found.</remarks>
public interface IPositionTable : nn.IModule<Tensor, Tensor>
{
    /// <summary>Positions that it has a vector for, from 0; null where nothing bounds them.</summary>
    long? Count { get; }
}

/// <summary>How attention learns the distance between query and key.</summary>
/// <remarks>A relative encoding (<see cref="IsRelative"/>): the score of a query and a key at distance d depends on positions only through d,
/// as <c>EncodeQueries(q, d) . EncodeKeys(k, 0) + Bias(d)</c>, for any common offset of both positions. Encoding is linear: a query times c
/// is encoded to c times as much, so attention may fold its scale into the queries. Pure and thread-safe; holds no tensors. An encoding
/// whose angles depend on the length of the text (<see cref="DependsOnLength"/>) is a family of such encodings, one for each length, and
/// attention works with the one that <see cref="ForLength"/> gives.</remarks>
public abstract class PositionEncoding
{
    /// <summary>Whether it changes queries, keys or scores; false for an encoding that acts at the embedding alone, or not at all.</summary>
    public virtual bool ActsOnScores => true;

    /// <summary>Whether it turns each key once, at the key's own position, so that a cache may hold turned keys;
    /// <see cref="DecodeKeys"/> then turns them back.</summary>
    public virtual bool TurnsKeys => false;

    /// <summary>Whether attention that adds no bias to the scores and clamps no distances can apply it: <see cref="Bias"/> is always null.</summary>
    public virtual bool IsBiasFree => false;

    /// <summary>Whether the score of a query and a key depends on their positions only through their distance; true by default. Masks that show
    /// another distance than the true one (<see cref="IAttentionMask.DistanceCeiling"/>) need it, and are refused without it.</summary>
    public virtual bool IsRelative => true;

    /// <summary>Tokens of a text up to which the angles are always the same; null, the default, where they are at any length.</summary>
    public virtual long? TrainedLength => null;

    /// <summary>Whether texts of different lengths beyond <see cref="TrainedLength"/> are encoded differently.</summary>
    public bool DependsOnLength => TrainedLength is not null;

    /// <summary>The encoding of a text of so many tokens, which itself does not depend on the length: the same object for lengths whose
    /// angles are the same, as all are up to <see cref="TrainedLength"/>. The base gives itself.</summary>
    /// <param name="length">Tokens of the whole text.</param>
    public virtual PositionEncoding ForLength(long length) => this;

    /// <summary>Makes the table of vectors that is added to the embedding, positions (B, L) int64 to (B, L, D); null for none, the default.
    /// The embedding owns it.</summary>
    /// <param name="layer">Sizes and parameters of the embedding.</param>
    public virtual IPositionTable? CreateTable(LayerContext layer) => null;

    /// <summary>Fails for heads that it was not made for.</summary>
    /// <exception cref="ArgumentException">It was made for another number of query heads; names both.</exception>
    public virtual void CheckHeads(long headCount)
    {
    }

    /// <summary>Encodes queries (B, H, L, P) at positions (B, L); the base does nothing.</summary>
    public virtual Tensor EncodeQueries(Tensor queries, Tensor positions)
    {
        TensorCheck.CheckAlive(queries, nameof(queries), GetType().Name);
        return queries.alias();
    }

    /// <summary>Encodes keys (B, Hkv, M, P) at positions (B, M); the base does nothing.</summary>
    public virtual Tensor EncodeKeys(Tensor keys, Tensor positions)
    {
        TensorCheck.CheckAlive(keys, nameof(keys), GetType().Name);
        return keys.alias();
    }

    /// <summary>Turns keys (B, Hkv, M, P) back that were encoded at positions (B, M).</summary>
    /// <exception cref="NotSupportedException"><see cref="TurnsKeys"/> is false.</exception>
    public virtual Tensor DecodeKeys(Tensor keys, Tensor positions) => throw new NotSupportedException($"{GetType().Name} does not turn keys.");

    /// <summary>What is added to the scaled scores at distances (B, L, M) int64: (B, H, L, M), or null for nothing.</summary>
    /// <param name="distances">Query position minus key position.</param>
    /// <param name="dtype">Dtype of the result.</param>
    public virtual Tensor? Bias(Tensor distances, ScalarType dtype) => null;
}
