using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Reads or edits activations at a named point of a model, as long as it lives.</summary>
/// <remarks>Edits run on the thread of the forward call; several taps at one point act in the order they were attached. Disposing it
/// leaves the model as it was.</remarks>
public sealed class ActivationTap : IDisposable
{
    private readonly IDisposable attachment;
    private Tensor? latest;

    private ActivationTap(LanguageModel model, string point, Func<Tensor, Tensor>? edit)
    {
        Point = point;
        attachment = Find(model, point).Attach(activation => edit is null ? Keep(activation) : edit(activation));
    }

    /// <summary>The point's name.</summary>
    public string Point { get; }

    /// <summary>The activation (B, L, D) of the last forward call, detached and owned by the tap; null before the first, and for an edit.</summary>
    public Tensor? Latest => latest;

    /// <summary>Reads at a point, such as <c>layers.3.resid_post</c>.</summary>
    /// <exception cref="ArgumentException">The model has no such point; names those it has.</exception>
    public static ActivationTap Read(LanguageModel model, string point) => new(model, point, null);

    /// <summary>Edits at a point: the model goes on with what the function returns.</summary>
    /// <inheritdoc cref="Read"/>
    public static ActivationTap Edit(LanguageModel model, string point, Func<Tensor, Tensor> edit)
    {
        ArgumentNullException.ThrowIfNull(edit);
        return new(model, point, edit);
    }

    /// <summary>Puts a dictionary in the place of an activation: what it rebuilds, with codes edited, and with its error kept or dropped.</summary>
    /// <param name="model">The model.</param>
    /// <param name="point">The point.</param>
    /// <param name="autoencoder">The dictionary.</param>
    /// <param name="keepsError">Whether what the dictionary cannot rebuild is added back; an edit of nothing then changes nothing.</param>
    /// <param name="edits">Edits of codes.</param>
    public static ActivationTap Splice(LanguageModel model, string point, SparseAutoencoder autoencoder, bool keepsError = true, params IReadOnlyList<FeatureEdit> edits) =>
        new(model, point, RowEdits.Spliced(autoencoder, keepsError, edits));

    /// <summary>Steers a model by a feature: adds the feature's atom, times an amount, to every position of a point, in training,
    /// scoring and generation alike, for as long as the tap lives.</summary>
    /// <remarks>With a row normalisation the atom is scaled by each row's own factor. Nothing is encoded, so it costs one addition.</remarks>
    /// <param name="model">The model.</param>
    /// <param name="point">The point.</param>
    /// <param name="dictionary">The dictionary; alive as long as the tap.</param>
    /// <param name="feature">The feature.</param>
    /// <param name="amount">What its code grows by.</param>
    /// <exception cref="ArgumentException">The model has no such point or the dictionary no such feature.</exception>
    public static ActivationTap Steer(LanguageModel model, string point, IDictionary dictionary, long feature, double amount) =>
        new(model, point, RowEdits.Steered(point, dictionary, feature, amount));

    /// <inheritdoc/>
    public void Dispose()
    {
        attachment.Dispose();
        latest?.Dispose();
        latest = null;
    }

    internal static HookPoint Find(LanguageModel model, string point)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.HookPoints.TryGetValue(point, out var found)
            ? found
            : throw new ArgumentException($"The model has no point '{point}'; it has {string.Join(", ", model.HookPoints.Keys)}.", nameof(point));
    }

    private Tensor Keep(Tensor activation)
    {
        latest?.Dispose();
        latest = activation.detach().clone().DetachFromDisposeScope();
        return activation;
    }
}

/// <summary>A change of one feature's code.</summary>
/// <param name="Feature">The feature's index.</param>
/// <param name="Factor">What the code is multiplied by.</param>
/// <param name="Offset">What is added then.</param>
public sealed record FeatureEdit(long Feature, double Factor, double Offset)
{
    /// <summary>Sets it to 0.</summary>
    public static FeatureEdit Ablate(long feature) => new(feature, 0, 0);

    /// <summary>Multiplies it.</summary>
    public static FeatureEdit Scale(long feature, double factor) => new(feature, factor, 0);

    /// <summary>Sets it to a value everywhere.</summary>
    public static FeatureEdit Clamp(long feature, double value) => new(feature, 0, value);

    /// <summary>Adds to it everywhere.</summary>
    public static FeatureEdit Steer(long feature, double amount) => new(feature, 1, amount);

    internal void Check(long featureCount)
    {
        if (Feature < 0 || Feature >= featureCount)
            throw new ArgumentException($"There is no feature {Feature}; the dictionary has 0 to {featureCount - 1}.", nameof(featureCount));
    }

    internal Tensor Apply(Tensor codes)
    {
        var own = zeros([codes.size(-1)], ScalarType.Bool, codes.device);
        own[Feature] = true;
        return where(own, codes * Factor + Offset, codes);
    }
}
