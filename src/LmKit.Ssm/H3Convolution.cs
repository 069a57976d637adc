using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Steps 1 to 4 of the H3 layer for sequences of one call, by convolution; tensors live in the caller's scope.</summary>
/// <remarks>ssm_k_D is folded into f_0, which is exact.</remarks>
internal sealed class H3Convolution
{
    private readonly DiagonalConvolution diagonal;
    private readonly ScalarType dtype;
    private readonly Tensor taps;   // (D, taps)
    private readonly long headDim;

    internal H3Convolution(DiagonalSsm ssm, Tensor taps, Tensor skip, long headDim, long length, long maxLength, long rows)
    {
        this.headDim = headDim;
        this.taps = taps.narrow(1, 0, Math.Min(taps.size(1), maxLength));
        dtype = ssm.Dtype;
        diagonal = new DiagonalConvolution(ssm, skip, length, Math.Min(length, maxLength), rows * headDim * headDim);
    }

    /// <summary>Mixes rows, as <see cref="SequenceCall.RowMixing"/> says.</summary>
    /// <param name="inputs">q, k and v, each (B, L, D).</param>
    /// <param name="carry">The last keys, newest first (B, D, N), and the diagonal state of key channel i and value channel j
    /// (B, hd, hd, H, n, 2); or null.</param>
    /// <param name="lengths">How many columns of each row count; null for all.</param>
    /// <param name="tracksState">Whether gradients flow into what the rows end with.</param>
    internal (Tensor Output, Tensor[]? Next) Mix(Tensor[] inputs, Tensor[]? carry, IReadOnlyList<long>? lengths, bool tracksState)
    {
        var (q, k, v) = (inputs[0], inputs[1], inputs[2]);
        var length = k.size(1);
        var keys = k.to(dtype).transpose(1, 2);                                                 // (B, D, L)
        var history = carry is null ? keys : cat([carry[0].flip(2), keys], 2);                  // (B, D, N + L)
        var shifted = FlashConv.Convolve(history.unsqueeze(2), taps).narrow(3, history.size(2) - length, length);
        if (carry is null && headDim == 1)
            return (diagonal.Gated(Signals(v), shifted, Signals(q)).squeeze(2).transpose(1, 2).to(q.dtype), null);
        var products = HeadPairs.Multiply(shifted.squeeze(2), v.to(dtype).transpose(1, 2), headDim);
        var (sums, after) = diagonal.Run(products, carry?[1], lengths, tracksState);
        Tensor[]? next = carry is null
            ? null
            : [CarriedRows.Latest(tracksState ? history : history.detach(), carry[0].size(2), length, lengths).flip(2), after!];
        return (HeadPairs.Gather(q.transpose(1, 2), sums, headDim).transpose(1, 2).to(q.dtype), next);
    }

    private Tensor Signals(Tensor columns) => columns.to(dtype).transpose(1, 2).unsqueeze(2); // (B, D, 1, L)
}
