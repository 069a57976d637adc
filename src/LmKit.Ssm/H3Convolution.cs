using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Steps 1 to 4 of the H3 layer for sequences of one call, by convolution; tensors live in the caller's scope.</summary>
/// <remarks>The skips are folded into the kernels' first entries, which is exact: D into K_0 and ssm_k_D into f_0.</remarks>
internal sealed class H3Convolution
{
    private readonly DiscreteDiagonal diagonal;
    private readonly TwoLevelPowers powers;
    private readonly Tensor kernel; // (H, Lk)
    private readonly Tensor taps;   // (D, taps)
    private readonly long headDim;

    internal H3Convolution(DiscreteDiagonal diagonal, Tensor taps, Tensor skip, long headDim, long length, long maxLength, long rows)
    {
        this.diagonal = diagonal;
        this.headDim = headDim;
        this.taps = taps.narrow(1, 0, Math.Min(taps.size(1), maxLength));
        var kernelLength = Math.Min(length, maxLength);
        powers = diagonal.Powers(length, rows * headDim * headDim);
        kernel = diagonal.Kernel(powers, kernelLength) + nn.functional.pad(skip.unsqueeze(-1), [0, kernelLength - 1]);
    }

    /// <summary>Mixes rows that start at the carry, or at zero without one.</summary>
    /// <param name="q">(B, L, D).</param>
    /// <param name="k">(B, L, D).</param>
    /// <param name="v">(B, L, D).</param>
    /// <param name="carry">What the rows begin with.</param>
    /// <param name="lengths">How many columns of each row count; null for all.</param>
    /// <returns>Outputs (B, L, D) and, given a carry, what the rows end with.</returns>
    internal (Tensor Output, H3Carry? Next) Mix(Tensor q, Tensor k, Tensor v, H3Carry? carry, IReadOnlyList<long>? lengths)
    {
        var (batch, length, width) = (k.size(0), k.size(1), k.size(2));
        var heads = width / headDim;
        var keys = k.to(diagonal.Dtype).transpose(1, 2);                                        // (B, D, L)
        var history = carry is null ? keys : cat([carry.Recent.flip(2), keys], 2);              // (B, D, N + L)
        var shifted = FftConvolution.Apply(history.unsqueeze(2), taps).narrow(3, history.size(2) - length, length);
        var values = v.to(diagonal.Dtype).transpose(1, 2).reshape(batch, heads, 1, headDim, length);
        var products = (shifted.reshape(batch, heads, headDim, 1, length) * values).reshape(batch, heads, headDim * headDim, length); // kv_ij
        var sums = FftConvolution.Apply(products, kernel);
        H3Carry? next = null;
        if (carry is not null)
        {
            var rows = carry.Diagonal.reshape(batch * headDim * headDim, heads, -1, 2);
            sums = sums + diagonal.Response(powers, rows, length).reshape(batch, headDim * headDim, heads, length).transpose(1, 2);
            next = Advance(carry, rows, history.detach(), products.detach(), lengths);
        }
        return (Gate(q, sums), next);
    }

    private Tensor Gate(Tensor q, Tensor sums)
    {
        var (batch, length, width) = (q.size(0), q.size(1), q.size(2));
        if (headDim == 1)
            return (q * sums.reshape(batch, width, length).transpose(1, 2)).to(q.dtype);
        var queries = q.transpose(1, 2).reshape(batch, width / headDim, headDim, 1, length);
        var gated = (queries * sums.reshape(batch, width / headDim, headDim, headDim, length)).sum(2); // (B, H, hd, L)
        return gated.reshape(batch, width, length).transpose(1, 2).to(q.dtype);
    }

    private H3Carry Advance(H3Carry carry, Tensor rows, Tensor history, Tensor products, IReadOnlyList<long>? lengths)
    {
        using var frozen = no_grad();
        var (batch, heads, pairs, length) = (products.size(0), products.size(1), products.size(2), products.size(3));
        var shiftDim = carry.Recent.size(2);
        var device = history.device;
        Tensor recent, reversed, counts;
        if (lengths is null)
        {
            recent = history.narrow(2, length, shiftDim).flip(2);
            reversed = products.flip(3);
            counts = tensor(new[] { (double)length }, device: device);
        }
        else
        {
            var ends = tensor(lengths.ToArray(), [batch, 1], device: device);
            var newest = ends + shiftDim - 1 - arange(shiftDim, dtype: ScalarType.Int64, device: device); // (B, N)
            recent = history.gather(2, newest.unsqueeze(1).expand(batch, history.size(1), shiftDim));
            var places = ends - 1 - arange(length, dtype: ScalarType.Int64, device: device);              // (B, L)
            var taken = products.gather(3, places.clamp(min: 0).reshape(batch, 1, 1, length).expand(products.shape));
            reversed = taken * places.ge(0).reshape(batch, 1, 1, length);
            counts = ends.expand(batch, pairs).reshape(-1).to(ScalarType.Float64);
        }
        var after = diagonal.Advance(powers, rows, reversed.transpose(1, 2).reshape(batch * pairs, heads, length), counts);
        return new(recent, after.reshape(carry.Diagonal.shape));
    }
}
