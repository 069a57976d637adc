using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Temperature and top-p on log-probabilities, renormalised.</summary>
public static class DiffusionTruncation
{
    /// <summary>Sharpens or flattens by a temperature, then keeps tokens whose cumulative sorted probability is at most p; the first always.</summary>
    public static Tensor Apply(Tensor logProbabilities, double temperature, double topP)
    {
        ArgumentNullException.ThrowIfNull(logProbabilities);
        if (temperature == 1 && topP >= 1)
            return logProbabilities.alias();
        using var scope = NewDisposeScope();
        var result = temperature == 1 ? logProbabilities : logProbabilities.div(temperature).log_softmax(-1).clamp(min: SubsParameterization.Impossible);
        if (topP < 1)
        {
            var (sorted, order) = sort(result.exp(), -1, descending: true);
            var kept = sorted.cumsum(-1).le(topP);
            kept.narrow(-1, 0, 1).fill_(true);
            var dropped = zeros_like(kept).scatter(-1, order, kept.logical_not());
            result = result.masked_fill(dropped, SubsParameterization.Impossible).log_softmax(-1).clamp(min: SubsParameterization.Impossible);
        }
        return result.MoveToOuterDisposeScope();
    }
}
