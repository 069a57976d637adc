using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>One token through an H3 layer of head width 1 between its projections, as one writes it in library operations to be fast:
/// everything that does not change made once, states kept in place, the last inputs in a buffer that is moved up rarely.</summary>
internal sealed class PlainH3Step : IDisposable
{
    private const long _spareColumns = 8;       // as many windows before the buffer is moved up

    private readonly Tensor _taps;              // (D, N), the oldest input's first, with the skip of the shift in the last
    private readonly Tensor _decay;             // A-bar (D, n), complex
    private readonly Tensor _readout;           // (D, 2 n): 2 Re(C), -2 Im(C), B-bar in them
    private readonly Tensor _skip;              // (D)
    private readonly Tensor _recent;            // (B, D, columns)
    private readonly Tensor _state;             // (B, D, n), complex
    private long _next;

    /// <summary>Makes it from the weights of an H3 mixer, by their names after the prefix.</summary>
    public PlainH3Step(IReadOnlyDictionary<string, Tensor> weights, string prefix, long batch)
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
        _taps = taps.flip(1).contiguous().DetachFromDisposeScope();
        _decay = decay.DetachFromDisposeScope();
        _readout = readout.flatten(1).DetachFromDisposeScope();
        _skip = own["D"].detach().clone().DetachFromDisposeScope();
        _recent = zeros(batch, width, _spareColumns * window).DetachFromDisposeScope();
        _state = zeros([batch, width, decay.size(1)], ScalarType.ComplexFloat32).DetachFromDisposeScope();
        _next = window - 1;
    }

    /// <summary>q . SSM_diag(SSM_shift(k) . v) of a token, all (B, D).</summary>
    public Tensor Run(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        var window = _taps.size(1);
        if (_next == _recent.size(2))
        {
            _ = _recent.narrow(2, 0, window - 1).copy_(_recent.narrow(2, _next - window + 1, window - 1));
            _next = window - 1;
        }

        _ = _recent.select(2, _next).copy_(k);
        var u = linalg.vecdot(_recent.narrow(2, _next - window + 1, window), _taps).mul_(v);
        _next++;
        _ = _state.mul_(_decay).add_(u.unsqueeze(-1));
        var y = linalg.vecdot(view_as_real(_state).flatten(2), _readout);
        return y.add_(u.mul_(_skip)).mul_(q).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (var tensor in new[] { _taps, _decay, _readout, _skip, _recent, _state })
        {
            tensor.Dispose();
        }
    }
}
