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
        var keys = k.to(dtype).transpose(1, 2);                                                 // (B, D, L)
        var shifted = FlashConv.Convolve(keys.unsqueeze(2), taps).squeeze(2);
        if (carry is not null)
            shifted = WithCarriedKeys(shifted, carry[0]);
        if (headDim == 1 && diagonal.IsGatedFrom(carry?[1]))
        {
            var (gated, end) = diagonal.Gated(Signals(v), shifted.unsqueeze(2), Signals(q), carry?[1], lengths);
            return (gated.squeeze(2).transpose(1, 2).to(q.dtype), end is null ? null : [LatestKeys(carry![0], keys, lengths), end]);
        }
        var products = HeadPairs.Multiply(shifted, v.to(dtype).transpose(1, 2), headDim);
        var (sums, after) = diagonal.Run(products, carry?[1], lengths, tracksState);
        Tensor[]? next = carry is null ? null : [LatestKeys(carry[0], tracksState ? keys : keys.detach(), lengths), after!];
        return (HeadPairs.Gather(q.transpose(1, 2), sums, headDim).transpose(1, 2).to(q.dtype), next);
    }

    private Tensor Signals(Tensor columns) => columns.to(dtype).transpose(1, 2).unsqueeze(2); // (B, D, 1, L)

    // y_t += sum over m above t of f_m k_(t-m), where k_(t-m) are the keys before the call: only the first N - 1 outputs have any,
    // and none do at the start of sequences.
    private Tensor WithCarriedKeys(Tensor shifted, Tensor recent)
    {
        var (length, carried) = (shifted.size(2), recent.size(2));
        var count = Math.Min(carried - 1, length);
        if (count == 0 || (!is_grad_enabled() && recent.device_type == DeviceType.CPU && recent.count_nonzero().item<long>() == 0))
            return shifted;
        var history = nn.functional.pad(recent.flip(2), [0, count]).unsqueeze(2);               // (B, D, 1, N + count)
        var part = FlashConv.Convolve(history, taps).squeeze(2).narrow(2, carried, count);
        if (is_grad_enabled())
            return shifted + nn.functional.pad(part, [0, length - count]);
        shifted.narrow(2, 0, count).add_(part);
        return shifted;
    }

    // The last N keys, newest first.
    private static Tensor LatestKeys(Tensor recent, Tensor keys, IReadOnlyList<long>? lengths)
    {
        var (count, length) = (recent.size(2), keys.size(2));
        return lengths is null && length >= count
            ? keys.narrow(2, length - count, count).flip(2)
            : CarriedRows.Latest(cat([recent.flip(2), keys], 2), count, length, lengths).flip(2);
    }
}
