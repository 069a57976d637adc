using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>One token through an H3 layer of head width 1 between its projections, as one writes it in library operations to be fast:
/// everything that does not change made once, states kept in place, the last inputs in a buffer that is moved up rarely.</summary>
internal sealed class PlainH3Step : IDisposable
{
    private const long spareColumns = 8;       // as many windows before the buffer is moved up

    private readonly Tensor taps;              // (D, N), the oldest input's first, with the skip of the shift in the last
    private readonly Tensor decay;             // A-bar (D, n), complex
    private readonly Tensor readout;           // (D, 2 n): 2 Re(C), -2 Im(C), B-bar in them
    private readonly Tensor skip;              // (D)
    private readonly Tensor recent;            // (B, D, columns)
    private readonly Tensor state;             // (B, D, n), complex
    private long next;

    /// <summary>Makes it from the weights of an H3 mixer, by their names after the prefix.</summary>
    internal PlainH3Step(IReadOnlyDictionary<string, Tensor> weights, string prefix, long batch)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var own = weights.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(pair => pair.Key[prefix.Length..], pair => pair.Value);
        var taps = H3LayerVersusPlainComposition.ShiftKernel(own);
        taps.select(1, 0).add_(own["ssm_k_D"]);
        var (decay, input) = H3LayerVersusPlainComposition.Discretized(own, "kernel.");
        var readout = view_as_real(input * 2).clone();
        readout.select(2, 1).neg_();
        var (width, window) = (taps.size(0), taps.size(1));
        this.taps = taps.flip(1).contiguous().DetachFromDisposeScope();
        this.decay = decay.DetachFromDisposeScope();
        this.readout = readout.flatten(1).DetachFromDisposeScope();
        skip = own["D"].detach().clone().DetachFromDisposeScope();
        recent = zeros(batch, width, spareColumns * window).DetachFromDisposeScope();
        state = zeros([batch, width, decay.size(1)], ScalarType.ComplexFloat32).DetachFromDisposeScope();
        next = window - 1;
    }

    /// <summary>q . SSM_diag(SSM_shift(k) . v) of a token, all (B, D).</summary>
    internal Tensor Run(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        var window = taps.size(1);
        if (next == recent.size(2))
        {
            _ = recent.narrow(2, 0, window - 1).copy_(recent.narrow(2, next - window + 1, window - 1));
            next = window - 1;
        }

        _ = recent.select(2, next).copy_(k);
        var u = linalg.vecdot(recent.narrow(2, next - window + 1, window), taps).mul_(v);
        next++;
        _ = state.mul_(decay).add_(u.unsqueeze(-1));
        var y = linalg.vecdot(view_as_real(state).flatten(2), readout);
        return y.add_(u.mul_(skip)).mul_(q).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (var tensor in new[] { taps, decay, readout, skip, recent, state })
            tensor.Dispose();
    }
}
