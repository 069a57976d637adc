using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>How well each feature's activity says that an attribute has a value (Makelov et al. 2024, test 3); tensors are the caller's.</summary>
/// <param name="Precision">Precision (F, values); NaN for a feature that is never active.</param>
/// <param name="Recall">Recall (F, values); NaN for a value that never occurs.</param>
/// <param name="F1">Their harmonic mean (F, values); NaN where either is, or both are 0.</param>
public sealed record FeatureScores(Tensor Precision, Tensor Recall, Tensor F1) : IDisposable
{
    // The authors' unions guard their denominator; their single scores do not.
    private const double UnionEpsilon = 1e-8;

    /// <summary>Scores features against a block's values.</summary>
    /// <param name="active">Which features are active (B, F).</param>
    /// <param name="attributes">Attribute values (B, A).</param>
    /// <param name="block">The attribute, or several coupled.</param>
    public static FeatureScores Of(Tensor active, Tensor attributes, AttributeBlock block)
    {
        Check(active, attributes, block);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var fired = active.to(ScalarType.Float64);
        var truth = AttributeCodes.Of(attributes, [block], ScalarType.Float64, active.device); // (B, values)
        var hits = fired.t().mm(truth); // (F, values)
        var precision = hits / fired.sum([0L]).unsqueeze(1);
        var recall = hits / truth.sum([0L]).unsqueeze(0);
        return new(precision.MoveToOuterDisposeScope(), recall.MoveToOuterDisposeScope(), (2 * precision * recall / (precision + recall)).MoveToOuterDisposeScope());
    }

    /// <summary>Scores for ranking: NaN becomes minus infinity (F, values); the caller disposes it.</summary>
    public Tensor Ranked() => F1.nan_to_num(double.NegativeInfinity);

    /// <summary>For each value, the features with the highest F1 (values, count) and their scores; ties go to the lower index.</summary>
    public (Tensor Features, Tensor Scores) Top(int count)
    {
        new TensorCheck(nameof(FeatureScores)).AnyFloating(F1, nameof(F1), "F V");
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, F1.size(0));
        using var scope = NewDisposeScope();
        var (sorted, order) = Ranked().t().sort(1, descending: true, stable: true);
        return (order.narrow(1, 0, count).clone().MoveToOuterDisposeScope(), sorted.narrow(1, 0, count).clone().MoveToOuterDisposeScope());
    }

    /// <summary>For each feature, its best value's F1 (F), minus infinity where it has none; the caller disposes it.</summary>
    public Tensor Best()
    {
        using var scope = NewDisposeScope();
        return Ranked().amax([1]).MoveToOuterDisposeScope();
    }

    /// <summary>F1 of unions of each feature's best 1, 2, ... values (F, count), and those values; the caller disposes both.</summary>
    public static (Tensor Values, Tensor F1) Unions(Tensor active, Tensor attributes, AttributeBlock block, int count)
    {
        Check(active, attributes, block);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, block.FeatureCount);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var single = Of(active, attributes, block);
        var (_, order) = single.Ranked().sort(1, descending: true, stable: true);
        var values = order.narrow(1, 0, count).clone();
        var union = UnionsOf(active, attributes, block, values);
        return (values.MoveToOuterDisposeScope(), union.MoveToOuterDisposeScope());
    }

    /// <summary>F1 of unions of the first 1, 2, ... of given values (F, count) of each feature; the caller disposes it.</summary>
    public static Tensor UnionsOf(Tensor active, Tensor attributes, AttributeBlock block, Tensor values)
    {
        Check(active, attributes, block);
        var check = new TensorCheck(nameof(FeatureScores));
        check.Bind("F", active.size(1));
        check.Integers(values, nameof(values), "F K");
        AttributeCodes.CheckBelow(values, block.FeatureCount, nameof(values));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var fired = active.to(ScalarType.Float64);
        var truth = AttributeCodes.Of(attributes, [block], ScalarType.Float64, active.device);
        var hits = fired.t().mm(truth).gather(1, values).cumsum(1); // a row has one value: unions add up
        var members = truth.sum([0L]).unsqueeze(0).expand(values.size(0), -1).gather(1, values).cumsum(1);
        var (precision, recall) = (hits / fired.sum([0L]).unsqueeze(1), hits / members);
        return (2 * precision * recall / (precision + recall + UnionEpsilon)).MoveToOuterDisposeScope();
    }

    private static void Check(Tensor active, Tensor attributes, AttributeBlock block)
    {
        ArgumentNullException.ThrowIfNull(block);
        var check = new TensorCheck(nameof(FeatureScores));
        check.Any(active, nameof(active), "B F");
        if (active.dtype != ScalarType.Bool && !TensorCheck.IsFloating(active.dtype) && !active.is_integral())
            throw new ArgumentException($"{nameof(FeatureScores)} takes truth values or numbers that are 0 for inactive features; got {active.dtype}.", nameof(active));
        check.Integers(attributes, nameof(attributes), "B A");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Precision.Dispose();
        Recall.Dispose();
        F1.Dispose();
    }
}
