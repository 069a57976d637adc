using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

internal sealed partial class H3Step
{
    /// <summary>The layer's steps one after another; what the rows begin with is left as it is.</summary>
    private (Tensor Output, Tensor[] Next) Reference(Tensor[] inputs, Tensor[] carry)
    {
        var (q, k, v) = (inputs[0], inputs[1], inputs[2]);
        var (batch, width, shiftDim) = (k.size(0), k.size(2), taps.size(1));
        var heads = width / headDim;
        var dtype = taps.dtype;
        var recent = cat([k.to(dtype).reshape(batch, width, 1), carry[0].narrow(2, 0, shiftDim - 1)], 2); // (B, D, N)
        var shifted = (recent * taps).sum(-1).reshape(batch, heads, headDim, 1);
        var products = shifted * v.to(dtype).reshape(batch, heads, 1, headDim);                        // (B, H, hd, hd)
        var (sums, next) = diagonal.Take(products.permute(0, 2, 3, 1), carry[1]);                      // (B, hd, hd, H)
        var queries = q.reshape(batch, heads, headDim, 1);
        var output = (queries * sums.permute(0, 3, 1, 2)).sum(2);                                      // (B, H, hd)
        return (output.reshape(batch, 1, width).to(q.dtype), [recent, next]);
    }
}
