using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The point with the least sum of distances, by Weiszfeld's rounds: where b_dec may start.</summary>
public static class GeometricMedian
{
    /// <summary>Of points (B, D); the caller disposes it.</summary>
    /// <param name="points">The points.</param>
    /// <param name="tolerance">Stops when a round moves less, or not at all.</param>
    /// <param name="maxRounds">Rounds at most.</param>
    public static Tensor Of(Tensor points, double tolerance = 1e-5, int maxRounds = 100)
    {
        var check = new TensorCheck(nameof(GeometricMedian));
        check.Floating(points, nameof(points), "B D");
        if (check["B"] == 0)
            throw new ArgumentException("A median needs at least one point.", nameof(points));
        ArgumentOutOfRangeException.ThrowIfNegative(maxRounds);
        if (double.IsNaN(tolerance))
            throw new ArgumentOutOfRangeException(nameof(tolerance), tolerance, "The tolerance is a number.");
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var dtype = points.dtype;
        points = HalfPrecision.Widen(points);
        var median = points.mean([0L]);
        for (var round = 0; round < maxRounds; round++)
        {
            using var inner = NewDisposeScope();
            // A point on the median itself would weigh infinitely.
            var weights = 1 / (points - median).norm(1).clamp_min(1e-12);
            var next = weights.unsqueeze(0).mm(points).squeeze(0) / weights.sum();
            var moved = (next - median).norm().to(ScalarType.Float64).item<double>();
            median = next.MoveToOuterDisposeScope();
            if (moved < tolerance || moved == 0)
                break;
        }
        return median.to(dtype).MoveToOuterDisposeScope();
    }
}
