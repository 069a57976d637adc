using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The product with a Monarch matrix M = P2 L P1 R, held as two block-diagonal factors (Dao et al. 2022, Definition 1).</summary>
/// <remarks>
/// <para>R has shape (k, q, p) and L (l, s, r) with k q = l r. For one vector x of width k p:
/// <c>y[c q + a] = sum_b R[c, a, b] x[c p + b]</c>, <c>out[d l + e] = sum_f L[e, d, f] y[f l + e]</c>, of width s l.</para>
/// <para>Real and complex; any leading axes. On the CPU in float32 both permutations are nothing but the places where results are stored, and
/// backward is written by hand: it keeps x and y. Everything else is two batched products of the library. Forms agree within 2e-5 of the largest
/// entry; results do not depend on the number of threads. It can be differentiated once.</para>
/// </remarks>
public static partial class MonarchMultiply
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
        if (x.size(-1) != first.size(0) * first.size(2))
            throw new ArgumentException($"{nameof(MonarchMultiply)} takes (..., {first.size(0) * first.size(2)}); got ({string.Join(", ", x.shape)}).", nameof(x));
        return Chosen(x, first, second, null, second.size(0) * second.size(1));
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

    /// <summary>A linear layer: x is filled up with zeros to k p, the product cut to its first entries, a bias added.</summary>
    /// <param name="x">(..., at most k p).</param>
    /// <param name="first">R (k, q, p).</param>
    /// <param name="second">L (l, s, r).</param>
    /// <param name="bias">(outFeatures), or null.</param>
    /// <param name="outFeatures">At most s l.</param>
    internal static Tensor Linear(Tensor x, Tensor first, Tensor second, Tensor? bias, long outFeatures)
    {
        Check(x, first, second);
        return Chosen(x, first, second, bias, outFeatures);
    }

    private static Tensor Chosen(Tensor x, Tensor first, Tensor second, Tensor? bias, long outFeatures)
    {
        var isServed = KernelSelection.Current == KernelChoice.Cpu && x.device_type == DeviceType.CPU && x.numel() > 0 && first.numel() > 0 && second.numel() > 0
            && x.dtype == ScalarType.Float32 && bias is null or { dtype: ScalarType.Float32 };
        if (!isServed)
            return Reference(x, first, second, bias, outFeatures);
        var isRecorded = is_grad_enabled() && (x.requires_grad || first.requires_grad || second.requires_grad || bias is { requires_grad: true });
        if (!isRecorded)
            return OnCpu(x, first, second, bias, outFeatures);
        using var scope = NewDisposeScope();
        var shape = MonarchShape.Of(x, first, second, outFeatures);
        var y = Recorded(shape.First, x.reshape(shape.Rows, shape.InFeatures), first, null);
        return Recorded(shape.Second, y, second, bias).view([.. x.shape[..^1], outFeatures]).MoveToOuterDisposeScope();
    }

    // A stage with a backward pass; the second one keeps what lies between the factors.
    private static Tensor Recorded(BlockStage stage, Tensor x, Tensor factor, Tensor? bias)
    {
        Tensor[] inputs = bias is null ? [x, factor] : [x, factor, bias];
        return KernelFunction.Run(
            inputs,
            () => StageOnCpu(stage, x, factor, bias),
            (gradient, given) =>
            {
                var hasBias = given.Count > 2;
                var (forX, forFactor, forBias) = StageBackwardOnCpu(stage, gradient, given[0], given[1], given[0].requires_grad, given[1].requires_grad, hasBias && given[2].requires_grad);
                return hasBias ? [forX, forFactor, forBias] : [forX, forFactor];
            });
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
    }
}
