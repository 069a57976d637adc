using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The table e^(lambda s) over steps s, with its own adjoint: the derivative is s times the table itself.</summary>
/// <remarks>Automatic differentiation would pass through exponential, cosine and sine one by one, at several times the cost.
/// It cannot be differentiated twice.</remarks>
internal sealed class PowerTable : autograd.SingleTensorFunction<PowerTable>
{
    /// <inheritdoc/>
    public override string Name => nameof(PowerTable);

    /// <summary>Computes the table.</summary>
    /// <param name="logarithm">lambda (H, n).</param>
    /// <param name="steps">s (S).</param>
    /// <returns>(H, n, S).</returns>
    internal static ComplexPair Of(ComplexPair logarithm, Tensor steps)
    {
        var table = apply(logarithm.Real, logarithm.Imaginary, steps);
        return new(table[0], table[1]);
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        using var scope = NewDisposeScope();
        var (re, im, steps) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2]);
        var size = re.unsqueeze(-1).mul(steps).exp_();
        var angle = im.unsqueeze(-1).mul(steps);
        var table = stack([angle.cos().mul_(size), angle.sin_().mul_(size)]); // (2, H, n, S)
        // Recorded after this method has returned, and as another tensor than the result, which would hold itself alive.
        ctx.save_for_backward([table.detach().MoveToOuterDisposeScope(), steps]);
        return table.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var scope = NewDisposeScope();
        var saved = ctx.get_saved_variables();
        var (table, steps) = (saved[0], saved[1]);
        var (re, im, gRe, gIm) = (table[0], table[1], grad_output[0], grad_output[1]);
        var growth = (gRe * re).addcmul_(gIm, im, 1);
        var turn = (gIm * re).addcmul_(gRe, im, -1);
        return [Weigh(growth).MoveToOuterDisposeScope(), Weigh(turn).MoveToOuterDisposeScope(), null!];

        Tensor Weigh(Tensor entries) => entries.view(-1, steps.size(0)).mv(steps).view(entries.size(0), entries.size(1));
    }
}
