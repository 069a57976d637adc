using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Temperature and top-p on log-probabilities, renormalised, in float32 or wider.</summary>
public static class DiffusionTruncation
{
    internal const double LeastTemperature = 1e-30;
    private const double SingleRounding = 1.2e-7;
    private const double DoubleRounding = 1e-13;

    /// <summary>Sharpens or flattens by a temperature, then keeps tokens whose cumulative sorted probability is at most p; the first always.</summary>
    public static Tensor Apply(Tensor logProbabilities, double temperature, double topP)
    {
        var check = new TensorCheck(nameof(DiffusionTruncation));
        check.AnyFloating(logProbabilities, nameof(logProbabilities), "... V");
        if (check["V"] == 0)
            throw new ArgumentException("There is no token to keep: V is 0.", nameof(logProbabilities));
        if (!(temperature >= LeastTemperature && double.IsFinite(temperature)))
            throw new ArgumentOutOfRangeException(nameof(temperature), temperature, $"A temperature is a finite number of {LeastTemperature} or more.");
        if (!(topP >= 0))
            throw new ArgumentOutOfRangeException(nameof(topP), topP, "top_p is a probability from 0 to 1.");
        using var scope = NewDisposeScope();
        var wide = HalfPrecision.Widen(logProbabilities);
        if (temperature == 1 && topP >= 1)
            return wide.MoveToOuterDisposeScope();
        var result = temperature == 1 ? wide : wide.div(temperature).log_softmax(-1).clamp(min: SubsParameterization.Impossible);
        if (topP < 1)
        {
            var (sorted, order) = sort(result, -1, descending: true, stable: true);
            var rounding = result.dtype == ScalarType.Float64 ? DoubleRounding : SingleRounding;
            var kept = sorted.to(ScalarType.Float64).softmax(-1).cumsum(-1).le(topP * (1 + rounding)); // a sum that is p up to rounding is within it
            kept.narrow(-1, 0, 1).fill_(true);
            var dropped = zeros_like(kept).scatter(-1, order, kept.logical_not());
            result = result.masked_fill(dropped, SubsParameterization.Impossible).log_softmax(-1).clamp(min: SubsParameterization.Impossible);
        }
        return result.MoveToOuterDisposeScope();
    }
}

/// <summary>Temperature and top-p of the rows of a batch; rows that agree are changed together.</summary>
/// <param name="rows">Those of each row, or one for all.</param>
internal sealed class RowTruncation((double Temperature, double TopP)[] rows)
{
    private readonly (double Temperature, double TopP, long[] Rows)[] groups =
        [.. rows.Select((options, row) => (options, (long)row)).GroupBy(pair => pair.options).Select(group => (group.Key.Temperature, group.Key.TopP, group.Select(pair => pair.Item2).ToArray()))];

    /// <summary>Whether all rows agree.</summary>
    internal bool IsAlike => groups.Length == 1;

    /// <summary>Log-probabilities (B, ..., V), or (R, V) of rows (R) of the batch, behind their row's temperature and top-p.</summary>
    internal Tensor Apply(Tensor logProbabilities, Func<Tensor>? rowsOf = null)
    {
        if (IsAlike)
            return DiffusionTruncation.Apply(logProbabilities, groups[0].Temperature, groups[0].TopP);
        using var scope = NewDisposeScope();
        var (result, of) = (logProbabilities.clone(), rowsOf?.Invoke().unsqueeze(1));
        foreach (var (temperature, topP, own) in groups)
        {
            var places = tensor(own, device: result.device);
            if (of is not null)
                places = of.eq(places).any(1).nonzero().squeeze(1);
            if (places.size(0) > 0)
                result.index_copy_(0, places, DiffusionTruncation.Apply(logProbabilities.index_select(0, places), temperature, topP).to(result.dtype));
        }
        return result.MoveToOuterDisposeScope();
    }
}
