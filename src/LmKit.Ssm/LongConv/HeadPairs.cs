using static TorchSharp.torch;

namespace LmKit;

/// <summary>The two gates of H3 around its convolution, channels head-major: c = h P + i with head width P.</summary>
internal static class HeadPairs
{
    /// <summary>kv_ij = k_i v_j of every head.</summary>
    /// <param name="k">(B, D, L).</param>
    /// <param name="v">(B, D, L).</param>
    /// <param name="headDim">P.</param>
    /// <returns>(B, H, P P, L).</returns>
    internal static Tensor Multiply(Tensor k, Tensor v, long headDim)
    {
        var (batch, width, length) = (k.size(0), k.size(1), k.size(2));
        var products = k.reshape(batch, width / headDim, headDim, 1, length) * v.reshape(batch, width / headDim, 1, headDim, length);
        return products.reshape(batch, width / headDim, headDim * headDim, length);
    }

    /// <summary>o_j = sum over i of q_i s_ij of every head.</summary>
    /// <param name="q">(B, D, L).</param>
    /// <param name="sums">(B, H, P P, L).</param>
    /// <param name="headDim">P.</param>
    /// <returns>(B, D, L).</returns>
    internal static Tensor Gather(Tensor q, Tensor sums, long headDim)
    {
        var (batch, width, length) = (q.size(0), q.size(1), q.size(2));
        if (headDim == 1)
            return q * sums.reshape(batch, width, length);
        var queries = q.reshape(batch, width / headDim, headDim, 1, length);
        return (queries * sums.reshape(batch, width / headDim, headDim, headDim, length)).sum(2).reshape(batch, width, length);
    }
}
