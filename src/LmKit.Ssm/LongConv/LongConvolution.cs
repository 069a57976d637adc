using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Long convolutions along sequences, by FFT padded so that nothing wraps around; differentiable once.</summary>
/// <remarks>Sequences are (B, H, L), kernels (H, K) of any length K. Computed in the kernel's dtype, never below float32; the result
/// has the sequence's. Results belong to the caller's dispose scope.</remarks>
public static class LongConvolution
{
    /// <summary>y_t = sum over j of k_j u_(t-j) + D u_t, with more terms on request.</summary>
    /// <param name="u">(B, H, L).</param>
    /// <param name="kernel">k (H, K).</param>
    /// <param name="skip">D (H), or null for none.</param>
    /// <param name="futureKernel">Adds sum over j of k'_j u_(t+j), j = 0 included: (H, K'), or null for a causal convolution.</param>
    /// <param name="appliesGelu">Whether the exact GELU follows.</param>
    /// <param name="mask">Factors per row and channel (B, H) applied last, such as dropout's; or null.</param>
    /// <returns>(B, H, L).</returns>
    public static Tensor Convolve(Tensor u, Tensor kernel, Tensor? skip = null, Tensor? futureKernel = null, bool appliesGelu = false, Tensor? mask = null)
    {
        Check(u, kernel, nameof(kernel));
        var check = new TensorCheck(nameof(LongConvolution));
        check.AnyFloating(u, nameof(u), "B H L");
        if (futureKernel is not null)
        {
            Check(u, futureKernel, nameof(futureKernel));
            check.Typed(futureKernel, nameof(futureKernel), "H _", kernel.dtype);
        }
        CheckSkip(ref check, skip);
        if (mask is not null)
            check.AnyFloating(mask, nameof(mask), "B H");
        using var scope = NewDisposeScope();
        var wide = Signals(u, kernel);
        if (u.numel() == 0)
            return u.clone().MoveToOuterDisposeScope();
        var y = FlashConv.Convolve(wide, kernel, skip?.to(kernel.dtype)).squeeze(2);
        if (futureKernel is not null)
            y = y + FlashConv.Convolve(wide.flip(3), futureKernel).squeeze(2).flip(2);
        if (appliesGelu)
            y = nn.functional.gelu(y);
        if (mask is not null)
            y = y * mask.unsqueeze(-1);
        return y.to(u.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>y = g_out . (k * x + D x) with x = g_in . u, in one pass over memory where the kernel serves.</summary>
    /// <param name="u">(B, H, L).</param>
    /// <param name="kernel">k (H, K).</param>
    /// <param name="inputGate">g_in (B, H, L).</param>
    /// <param name="outputGate">g_out (B, H, L).</param>
    /// <param name="skip">D (H), or null for none.</param>
    /// <returns>(B, H, L).</returns>
    public static Tensor Gated(Tensor u, Tensor kernel, Tensor inputGate, Tensor outputGate, Tensor? skip = null)
    {
        Check(u, kernel, nameof(kernel));
        var check = new TensorCheck(nameof(LongConvolution));
        check.AnyFloating(u, nameof(u), "B H L");
        check.AnyFloating(inputGate, nameof(inputGate), "B H L");
        check.AnyFloating(outputGate, nameof(outputGate), "B H L");
        CheckSkip(ref check, skip);
        using var scope = NewDisposeScope();
        var y = FlashConv.Convolve(Signals(u, kernel), kernel, skip?.to(kernel.dtype), Signals(inputGate, kernel), Signals(outputGate, kernel));
        return y.squeeze(2).to(u.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Steps 2 to 4 of the H3 layer: o_j = sum over i of q_i (K * (k_i v_j) + D k_i v_j) within each head.</summary>
    /// <param name="q">(B, D, L), channels head-major.</param>
    /// <param name="k">(B, D, L), after the shift state space.</param>
    /// <param name="v">(B, D, L).</param>
    /// <param name="kernel">K (H, K); H divides D.</param>
    /// <param name="skip">D (H).</param>
    /// <returns>(B, D, L).</returns>
    public static Tensor MultiHead(Tensor q, Tensor k, Tensor v, Tensor kernel, Tensor skip)
    {
        var check = new TensorCheck(nameof(LongConvolution));
        check.AnyFloating(q, nameof(q), "B D L");
        check.AnyFloating(k, nameof(k), "B D L");
        check.AnyFloating(v, nameof(v), "B D L");
        check.AnyFloating(kernel, nameof(kernel), "H K");
        CheckSkip(ref check, skip ?? throw new ArgumentNullException(nameof(skip)));
        CheckKernel(kernel, nameof(kernel));
        if (kernel.size(0) == 0 || kernel.size(1) == 0 || q.size(1) % kernel.size(0) != 0)
            throw new ArgumentException($"q, k and v are alike (B, D, L) and the kernel (H, K) with H dividing D; got ({string.Join(", ", q.shape)}), ({string.Join(", ", k.shape)}), ({string.Join(", ", v.shape)}) and ({string.Join(", ", kernel.shape)}).", nameof(q));
        using var scope = NewDisposeScope();
        if (q.numel() == 0)
            return q.clone().MoveToOuterDisposeScope();
        var headDim = q.size(1) / kernel.size(0);
        if (headDim == 1)
            return Gated(v, kernel, k, q, skip).to(q.dtype).MoveToOuterDisposeScope();
        var products = HeadPairs.Multiply(k.to(kernel.dtype), v.to(kernel.dtype), headDim);
        var sums = FlashConv.Convolve(products, kernel, skip.to(kernel.dtype));
        return HeadPairs.Gather(q, sums, headDim).to(q.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>k with D added to its first entry, which is the same convolution.</summary>
    internal static Tensor Fold(Tensor kernel, Tensor skip) => kernel + nn.functional.pad(skip.to(kernel.dtype).unsqueeze(-1), [0, kernel.size(1) - 1]);

    private static Tensor Signals(Tensor sequences, Tensor kernel) => sequences.to(kernel.dtype).unsqueeze(2); // (B, H, 1, L)

    private static void Check(Tensor u, Tensor kernel, string name)
    {
        TensorCheck.CheckAlive(u, nameof(u), nameof(LongConvolution));
        TensorCheck.CheckAlive(kernel, name, nameof(LongConvolution));
        if (u.dim() != 3 || kernel.dim() != 2 || kernel.size(0) != u.size(1) || kernel.size(1) == 0)
            throw new ArgumentException($"A convolution takes u (B, H, L) and a kernel (H, K) of at least one tap; got ({string.Join(", ", u.shape)}) and ({string.Join(", ", kernel.shape)}).", name);
        CheckKernel(kernel, name);
        if (kernel.device_type != u.device_type)
            throw new ArgumentException($"A convolution takes its kernel on the device of u, {u.device}; got {kernel.device}.", name);
    }

    private static void CheckSkip(ref TensorCheck check, Tensor? skip)
    {
        if (skip is not null)
            check.AnyFloating(skip, nameof(skip), "H");
    }

    private static void CheckKernel(Tensor kernel, string name)
    {
        if (kernel.dtype is not (ScalarType.Float32 or ScalarType.Float64))
            throw new ArgumentException($"A convolution's kernel is float32 or float64; got {kernel.dtype}. Half precision would ruin its transform.", name);
    }
}
