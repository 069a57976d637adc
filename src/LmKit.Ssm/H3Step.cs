using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The recurrent form of the H3 layer for one token, with the recurrence worked out once; carries no gradient.</summary>
internal sealed class H3Step : IDisposable
{
    private readonly Tensor taps; // (D, N), ssm_k_D included
    private readonly DiagonalStep diagonal;
    private readonly long headDim;

    internal H3Step(DiscreteDiagonal diagonal, Tensor taps, Tensor skip, long headDim)
    {
        this.headDim = headDim;
        this.diagonal = new DiagonalStep(diagonal, skip);
        this.taps = taps.detach().clone().DetachFromDisposeScope();
    }

    /// <summary>Mixes one token per row; tensors live in the caller's scope.</summary>
    /// <param name="inputs">q, k and v, each (B, 1, D).</param>
    /// <param name="carry">What the rows begin with: the last keys (B, D, N) and the diagonal state (B, hd, hd, H, n, 2).</param>
    /// <returns>Outputs (B, 1, D) and what the rows end with.</returns>
    internal (Tensor Output, Tensor[] Next) Mix(Tensor[] inputs, Tensor[] carry)
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

    /// <inheritdoc/>
    public void Dispose()
    {
        taps.Dispose();
        diagonal.Dispose();
    }
}
