using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The recurrent form of the H3 layer for one token, with the recurrence worked out once; carries no gradient.</summary>
internal sealed class H3Step : IDisposable
{
    private readonly Tensor taps;    // (D, N), ssm_k_D included
    private readonly Tensor decay;   // A-bar (H, n) complex
    private readonly Tensor input;   // B-bar (H, n) complex
    private readonly Tensor readout; // 2 Re C, -2 Im C side by side: (H, 2n)
    private readonly Tensor skip;    // D (H)
    private readonly long headDim;

    internal H3Step(DiscreteDiagonal diagonal, Tensor taps, Tensor skip, long headDim)
    {
        this.headDim = headDim;
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        this.taps = taps.clone().DetachFromDisposeScope();
        this.skip = skip.detach().clone().DetachFromDisposeScope();
        decay = Complex(diagonal.LogA.Exp());
        input = Complex(diagonal.InputB);
        var c = diagonal.ReadoutC;
        readout = stack([c.Real * 2, c.Imaginary * -2], -1).to(diagonal.Dtype).flatten(1).DetachFromDisposeScope();

        Tensor Complex(ComplexPair pair) => view_as_complex(pair.Join().to(diagonal.Dtype)).DetachFromDisposeScope();
    }

    /// <summary>Mixes one token per row; tensors live in the caller's scope.</summary>
    /// <param name="q">(B, 1, D).</param>
    /// <param name="k">(B, 1, D).</param>
    /// <param name="v">(B, 1, D).</param>
    /// <param name="carry">What the rows begin with.</param>
    /// <returns>Outputs (B, 1, D) and what the rows end with.</returns>
    internal (Tensor Output, H3Carry Next) Mix(Tensor q, Tensor k, Tensor v, H3Carry carry)
    {
        var (batch, width, shiftDim) = (k.size(0), k.size(2), taps.size(1));
        var heads = width / headDim;
        var dtype = taps.dtype;
        var recent = cat([k.to(dtype).reshape(batch, width, 1), carry.Recent.narrow(2, 0, shiftDim - 1)], 2); // (B, D, N)
        var shifted = (recent * taps).sum(-1).reshape(batch, heads, headDim, 1);
        var products = shifted * v.to(dtype).reshape(batch, heads, 1, headDim);                          // (B, H, hd, hd)
        var pairs = products.permute(0, 2, 3, 1);                                                     // (B, hd, hd, H)
        var state = (view_as_complex(carry.Diagonal) * decay).add_(input * pairs.unsqueeze(-1));      // (B, hd, hd, H, n)
        var next = view_as_real(state);
        var sums = (next.flatten(4) * readout).sum(-1) + pairs * skip;                                // (B, hd, hd, H)
        var queries = q.reshape(batch, heads, headDim, 1);
        var output = (queries * sums.permute(0, 3, 1, 2)).sum(2);                                     // (B, H, hd)
        return (output.reshape(batch, 1, width).to(q.dtype), new H3Carry(recent, next));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        taps.Dispose();
        decay.Dispose();
        input.Dispose();
        readout.Dispose();
        skip.Dispose();
    }
}
