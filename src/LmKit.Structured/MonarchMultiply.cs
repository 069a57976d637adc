using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The product with a Monarch matrix M = P2 L P1 R, held as two block-diagonal factors (Dao et al. 2022, Definition 1).</summary>
/// <remarks>
/// <para>R has shape (k, q, p) and L (l, s, r) with k q = l r. For one vector x of width k p:
/// <c>y[c q + a] = sum_b R[c, a, b] x[c p + b]</c>, <c>out[d l + e] = sum_f L[e, d, f] y[f l + e]</c>, of width s l.</para>
/// <para>Real and complex; any leading axes. Two batched products with the permutations as views; libtorch differentiates it, which
/// was as fast as a hand-written backward wherever both were measured.</para>
/// </remarks>
public static class MonarchMultiply
{
    /// <summary>Multiplies the last axis of x.</summary>
    /// <param name="x">(..., k p); leading axes of any number and size.</param>
    /// <param name="first">R (k, q, p), applied first.</param>
    /// <param name="second">L (l, s, r), k q = l r.</param>
    /// <returns>(..., s l).</returns>
    /// <exception cref="ArgumentException">The shapes do not fit each other; names them.</exception>
    public static Tensor Apply(Tensor x, Tensor first, Tensor second)
    {
        Check(x, first, second);
        using var scope = NewDisposeScope();
        var (blocks, middle, width) = (first.size(0), first.size(1), first.size(2)); // k, q, p
        var (outBlocks, outWidth, outMiddle) = (second.size(0), second.size(1), second.size(2)); // l, s, r
        long rows = 1;
        for (var axis = 0; axis < x.dim() - 1; axis++)
            rows *= x.size(axis);
        var X = x.reshape(rows, blocks, width).transpose(0, 1); // (k, B, p)
        var y = bmm(X, first.transpose(1, 2)).transpose(0, 1); // (B, k, q)
        // A copy, since bmm takes up to four times as long on the view where blocks are small.
        var Y = y.reshape(rows, outMiddle, outBlocks).transpose(1, 2).contiguous(); // (B, l, r)
        var Z = bmm(Y.transpose(0, 1), second.transpose(1, 2)); // (l, B, s)
        var shape = x.shape;
        shape[^1] = outBlocks * outWidth;
        return Z.permute(1, 2, 0).reshape(shape).MoveToOuterDisposeScope();
    }

    /// <summary>The dense matrix M (s l, k p) of two factors; the caller disposes it.</summary>
    /// <inheritdoc cref="Apply"/>
    public static Tensor ToDense(Tensor first, Tensor second)
    {
        TensorCheck.CheckAlive(first, nameof(first), nameof(MonarchMultiply));
        new TensorCheck(nameof(MonarchMultiply)).Any(first, nameof(first), "k q p");
        using var scope = NewDisposeScope();
        var identity = eye(first.size(0) * first.size(2), dtype: first.dtype, device: first.device);
        return Apply(identity, first, second).t().contiguous().MoveToOuterDisposeScope();
    }

    private static void Check(Tensor x, Tensor first, Tensor second)
    {
        var check = new TensorCheck(nameof(MonarchMultiply));
        check.Any(first, nameof(first), "k q p");
        check.Typed(second, nameof(second), "l s r", first.dtype);
        check.Typed(x, nameof(x), "... i", first.dtype);
        if (!TensorCheck.IsFloating(x.dtype) && !x.is_complex())
            throw new ArgumentException($"{nameof(MonarchMultiply)} takes real or complex floating-point numbers; got {x.dtype}.", nameof(x));
        if (first.dim() != 3 || second.dim() != 3 || first.size(0) * first.size(1) != second.size(0) * second.size(2))
        {
            throw new ArgumentException(
                $"Monarch factors are (k, q, p) and (l, s, r) with k q = l r; got ({string.Join(", ", first.shape)}) and ({string.Join(", ", second.shape)}).",
                nameof(first));
        }
        if (x.size(-1) != first.size(0) * first.size(2))
            throw new ArgumentException($"{nameof(MonarchMultiply)} takes (..., {first.size(0) * first.size(2)}); got ({string.Join(", ", x.shape)}).", nameof(x));
    }
}
