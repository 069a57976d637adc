using static TorchSharp.torch;

namespace LmKit;

/// <summary>A dictionary's edits of one row of a batch, for requests that are steered apart (<see cref="SampleRequest.Edits"/>).</summary>
public static class RowEdits
{
    /// <summary>Steers a row by a feature: adds the feature's atom, times an amount, to every position of a point.</summary>
    /// <param name="edits">The edits so far.</param>
    /// <param name="point">The point, such as <c>layers.3.resid_post</c>.</param>
    /// <param name="row">The row of the batch.</param>
    /// <param name="dictionary">The dictionary; alive as long as the edits are used.</param>
    /// <param name="feature">The feature.</param>
    /// <param name="amount">What its code grows by.</param>
    /// <exception cref="ArgumentException">The dictionary has no such feature.</exception>
    public static HookEdits Steer(this HookEdits edits, string point, int row, IDictionary dictionary, long feature, double amount)
    {
        ArgumentNullException.ThrowIfNull(edits);
        return edits.Add(point, row, Steered(point, dictionary, feature, amount));
    }

    /// <summary>Puts what a dictionary rebuilds in the place of a row's activation, with codes edited, and with its error kept or dropped.</summary>
    /// <param name="edits">The edits so far.</param>
    /// <param name="point">The point.</param>
    /// <param name="row">The row of the batch.</param>
    /// <param name="autoencoder">The dictionary; alive as long as the edits are used.</param>
    /// <param name="keepsError">Whether what the dictionary cannot rebuild is added back; an edit of nothing then changes nothing.</param>
    /// <param name="features">Edits of codes.</param>
    /// <exception cref="ArgumentException">The dictionary has no such feature.</exception>
    public static HookEdits Splice(this HookEdits edits, string point, int row, SparseAutoencoder autoencoder, bool keepsError = true, params IReadOnlyList<FeatureEdit> features)
    {
        ArgumentNullException.ThrowIfNull(edits);
        return edits.Add(point, row, Spliced(autoencoder, keepsError, features));
    }

    internal static Func<Tensor, Tensor> Steered(string point, IDictionary dictionary, long feature, double amount)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        if (feature < 0 || feature >= dictionary.Atoms.size(0))
            throw new ArgumentException($"There is no feature {feature}; the dictionary has 0 to {dictionary.Atoms.size(0) - 1}.", nameof(feature));
        var normalization = (dictionary as SparseAutoencoder)?.Options.InputNormalization ?? InputNormalization.None;
        return activation =>
        {
            using var scope = NewDisposeScope();
            var atom = dictionary.Atoms[feature].detach() * amount;
            Shapes.CheckWidth(activation, atom.size(0), $"The dictionary at '{point}'");
            var scale = normalization == InputNormalization.None ? null : RowScaling.Of(activation, normalization).Scale;
            return (activation + (scale is null ? atom : atom * scale).to(activation.dtype)).MoveToOuterDisposeScope();
        };
    }

    internal static Func<Tensor, Tensor> Spliced(SparseAutoencoder autoencoder, bool keepsError, IReadOnlyList<FeatureEdit> features)
    {
        ArgumentNullException.ThrowIfNull(autoencoder);
        ArgumentNullException.ThrowIfNull(features);
        foreach (var edit in features)
            edit.Check(autoencoder.FeatureCount);
        return activation =>
        {
            if (keepsError && features.Count == 0)
                return activation;
            using var scope = NewDisposeScope();
            var codes = autoencoder.Encode(activation);
            var edited = features.Aggregate(codes, (current, edit) => edit.Apply(current));
            var rebuilt = autoencoder.Reconstruct(activation, edited);
            if (keepsError)
                rebuilt = activation + rebuilt - autoencoder.Reconstruct(activation, codes);
            return rebuilt.MoveToOuterDisposeScope();
        };
    }
}
