using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Powers e^(lambda l) for l = aM + b as two small tables, e^(lambda aM) and e^(lambda b), joined by one matrix product.</summary>
/// <remarks>M is about sqrt(L), so 2 sqrt(L) exponentials serve L powers; more where many rows of states are carried, each of which
/// multiplies the far table once. The tables are computed in float64: large phases l Im(lambda) would lose float32's digits.</remarks>
internal sealed class TwoLevelPowers
{
    private readonly ComplexPair far;   // (H, n, A)
    private readonly Tensor near;       // (H, 2n, M): Re e^(lambda b), then -Im
    private readonly long nearCount;    // M
    private readonly long farCount;     // A

    internal TwoLevelPowers(ComplexPair logA, long length, long rows, ScalarType dtype)
    {
        nearCount = Math.Clamp((long)Math.Ceiling(Math.Sqrt((double)length * rows)), 1, Math.Max(1, length));
        farCount = Math.Max(1, (length + nearCount - 1) / nearCount);
        var device = logA.Real.device;
        var steps = cat([arange(nearCount, dtype: ScalarType.Float64, device: device), arange(farCount, dtype: ScalarType.Float64, device: device) * (double)nearCount], 0);
        var powers = PowerTable.Of(logA, steps); // (H, n, M + A)
        far = powers.Narrow(-1, nearCount, farCount);
        var (re, im) = powers.Narrow(-1, 0, nearCount);
        near = cat([re, im.neg()], 1).to(dtype);
    }

    /// <summary>2 Re sum over n of c e^(lambda l), l = 0 .. length - 1.</summary>
    /// <param name="c">(R, H, n) float64.</param>
    /// <param name="length">Powers wanted.</param>
    /// <returns>(R, H, length).</returns>
    internal Tensor Sum(ComplexPair c, long length)
    {
        var (rows, heads) = (c.Real.size(0), c.Real.size(1));
        var starts = c.Unsqueeze(-1).Times(far);                                             // (R, H, n, A)
        var left = cat([starts.Real, starts.Imaginary], 2).mul(2).to(near.dtype);            // (R, H, 2n, A)
        var joined = left.permute(1, 0, 3, 2).reshape(heads, rows * farCount, -1).bmm(near); // (H, R A, M)
        return joined.view(heads, rows, farCount * nearCount).narrow(2, 0, length).transpose(0, 1);
    }

    /// <summary>Sum over l of u_l e^(lambda l).</summary>
    /// <param name="u">(R, H, L).</param>
    /// <returns>(R, H, n) float64.</returns>
    internal ComplexPair Weigh(Tensor u)
    {
        var (rows, heads) = (u.size(0), u.size(1));
        var padded = nn.functional.pad(u, [0, farCount * nearCount - u.size(2)]).view(rows, heads, farCount, nearCount);
        var blocks = padded.permute(1, 0, 2, 3).reshape(heads, rows * farCount, nearCount);
        var sums = blocks.bmm(near.transpose(1, 2)).view(heads, rows, farCount, -1).permute(1, 0, 3, 2).to(ScalarType.Float64); // (R, H, 2n, A)
        var n = sums.size(2) / 2;
        var weighed = new ComplexPair(sums.narrow(2, 0, n), sums.narrow(2, n, n).neg()).Times(far); // (R, H, n, A)
        return new(weighed.Real.sum(-1), weighed.Imaginary.sum(-1));
    }
}

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
