using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One token of a diagonal recurrence with the recurrence worked out once; carries no gradient.</summary>
internal sealed class DiagonalStep : IDisposable
{
    private readonly Tensor decay;   // A-bar (H, n) complex
    private readonly Tensor input;   // B-bar (H, n) complex
    private readonly Tensor readout; // 2 Re C, -2 Im C side by side: (H, 2n)
    private readonly Tensor skip;    // D (H)

    internal DiagonalStep(DiscreteDiagonal diagonal, Tensor skip)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        this.skip = skip.detach().clone().DetachFromDisposeScope();
        decay = Complex(diagonal.LogA.Exp());
        input = Complex(diagonal.InputB);
        var c = diagonal.ReadoutC;
        readout = stack([c.Real * 2, c.Imaginary * -2], -1).to(diagonal.Dtype).flatten(1).DetachFromDisposeScope();

        Tensor Complex(ComplexPair pair) => view_as_complex(pair.Join().to(diagonal.Dtype)).DetachFromDisposeScope();
    }

    /// <summary>A-bar, B-bar and the readout as rows of numbers (H, 2n), and D (H, 1), in the caller's scope.</summary>
    internal (Tensor Decay, Tensor Input, Tensor Readout, Tensor Skip) Rows =>
        (view_as_real(decay).flatten(1), view_as_real(input).flatten(1), readout.alias(), skip.unsqueeze(-1));

    /// <summary>Takes one token; tensors live in the caller's scope.</summary>
    /// <param name="u">(..., H).</param>
    /// <param name="state">(..., H, n, 2).</param>
    /// <returns>y (..., H) and the state after it.</returns>
    internal (Tensor Output, Tensor State) Take(Tensor u, Tensor state)
    {
        var next = view_as_real((view_as_complex(state.contiguous()) * decay).add_(input * u.unsqueeze(-1)));
        return ((next.flatten(-2) * readout).sum(-1) + u * skip, next);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        decay.Dispose();
        input.Dispose();
        readout.Dispose();
        skip.Dispose();
    }
}
