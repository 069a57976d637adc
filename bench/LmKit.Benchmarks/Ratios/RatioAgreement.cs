using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Ratios;

/// <summary>Says whether two sides computed the same; a ratio of different results means nothing.</summary>
internal static class RatioAgreement
{
    /// <summary>The first disagreement in words, or null if both sides agree within the tolerance.</summary>
    internal static string? Difference(IReadOnlyList<Tensor> baseline, IReadOnlyList<Tensor> ours, double tolerance)
    {
        if (baseline.Count != ours.Count)
            return $"the baseline gives {baseline.Count} tensors, ours {ours.Count}";

        return baseline.Zip(ours).Select((pair, index) => Difference(index, pair.First, pair.Second, tolerance)).FirstOrDefault(difference => difference is not null);
    }

    private static string? Difference(int index, Tensor baseline, Tensor ours, double tolerance)
    {
        if (!baseline.shape.AsSpan().SequenceEqual(ours.shape))
            return $"tensor {index}: the baseline's shape is ({string.Join(", ", baseline.shape)}), ours ({string.Join(", ", ours.shape)})";

        if (baseline.numel() == 0)
            return null;

        using var scope = NewDisposeScope();
        var reference = baseline.detach().to(ScalarType.Float64);
        var largest = reference.abs().max().item<double>();
        var difference = (ours.detach().to(ScalarType.Float64) - reference).abs().max().item<double>();
        var allowed = tolerance * Math.Max(largest, double.Epsilon);
        return difference <= allowed   // false for NaN on either side
            ? null
            : FormattableString.Invariant($"tensor {index}: largest difference {difference:g3}, allowed {allowed:g3} ({tolerance:g3} of {largest:g3})");
    }
}
