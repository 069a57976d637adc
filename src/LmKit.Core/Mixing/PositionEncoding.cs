using static TorchSharp.torch;

namespace LmKit;

/// <summary>How attention learns the distance between query and key.</summary>
/// <remarks>A relative encoding: the score of a query and a key at distance d depends on positions only through d, as
/// <c>EncodeQueries(q, d) . EncodeKeys(k, 0) + Bias(d)</c>, for any common offset of both positions. Pure and thread-safe; holds no
/// tensors.</remarks>
public abstract class PositionEncoding
{
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

    /// <summary>What is added to the scaled scores at distances (B, L, M) int64: (B, H, L, M), or null for nothing.</summary>
    /// <param name="distances">Query position minus key position.</param>
    /// <param name="dtype">Dtype of the result.</param>
    public virtual Tensor? Bias(Tensor distances, ScalarType dtype) => null;
}
