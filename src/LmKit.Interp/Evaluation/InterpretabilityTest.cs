using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Test 3: do features say in words what they stand for?</summary>
public static class InterpretabilityTest
{
    /// <summary>Counts features and values with a high F1.</summary>
    /// <param name="dictionary">The dictionary.</param>
    /// <param name="batch">Activations with attributes; keep them apart from those that edits are judged on.</param>
    /// <param name="block">The attribute.</param>
    /// <param name="thresholds">F1 values to reach.</param>
    public static IReadOnlyList<InterpretabilityResult> Run(IDictionary dictionary, ActivationBatch batch, AttributeBlock block, params IReadOnlyList<double> thresholds)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(block);
        ArgumentNullException.ThrowIfNull(thresholds);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var attributes = batch.Attributes ?? throw new ArgumentException("The test reads attributes; the batch has none.", nameof(batch));
        using var scores = FeatureScores.Of(dictionary.Encode(batch).ne(0), attributes, block);
        var ranked = scores.Ranked();
        var (features, values) = (ranked.amax([1]), ranked.amax([0]));
        return [.. thresholds.Select(threshold => new InterpretabilityResult(
            block.Name, threshold, features.ge(threshold).sum().item<long>(), values.ge(threshold).sum().item<long>(), block.FeatureCount))];
    }
}

/// <summary>What test 3 found for one attribute.</summary>
/// <param name="Attribute">The attribute.</param>
/// <param name="Threshold">The F1 asked for.</param>
/// <param name="FeatureCount">Features whose best F1 reaches it.</param>
/// <param name="ValueCount">Values that some feature reaches it for.</param>
/// <param name="Values">Values in all.</param>
public sealed record InterpretabilityResult(string Attribute, double Threshold, long FeatureCount, long ValueCount, long Values);
