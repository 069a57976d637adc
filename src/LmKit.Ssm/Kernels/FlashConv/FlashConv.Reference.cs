using static TorchSharp.torch;

namespace LmKit;

public static partial class FlashConv
{
    private static Tensor Reference(ConvolutionInputs inputs)
    {
        var x = inputs.InputGate is null ? inputs.Sequences : inputs.Sequences * inputs.InputGate;
        var y = x.size(3) <= DirectConvolution.LongestServed ? DirectConvolution.Apply(x, inputs.Kernel) : FftConvolution.Apply(x, inputs.Kernel);
        if (inputs.Skip is not null)
            y = y + inputs.Skip.view(1, -1, 1, 1) * x;
        return inputs.OutputGate is null ? y : y * inputs.OutputGate;
    }
}

/// <summary>Causal convolution as sums, y_t = sum over j of K_j u_(t-j): exact in what it leaves out, a later input has no part in an earlier output.</summary>
/// <remarks>One Toeplitz matrix per head, so for short sequences only. Differentiable by libtorch.</remarks>
internal static class DirectConvolution
{
    /// <summary>The longest sequence whose matrices are worth their memory: a chunk of 64 behind the 64 inputs of a shift state.</summary>
    internal const long LongestServed = 128;

    /// <summary>Convolves.</summary>
    /// <param name="u">(B, H, P, L): P signals share a head's kernel.</param>
    /// <param name="kernel">(H, K), no longer than the sequence.</param>
    /// <returns>(B, H, P, L), in the caller's dispose scope.</returns>
    internal static Tensor Apply(Tensor u, Tensor kernel)
    {
        using var scope = NewDisposeScope();
        var (length, taps) = (u.size(3), kernel.size(1));
        // Row t holds K_(t - L + 1) to K_t, zero where there is no such tap: the factors of u_(L - 1) to u_0.
        var rows = nn.functional.pad(kernel, [length - 1, length - taps]).unfold(1, length, 1); // (H, L, L)
        return einsum("bhpl,hml->bhpm", u.flip(3), rows).MoveToOuterDisposeScope();
    }
}
