using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Test 1: are reconstructions sufficient, and are they necessary, for what a model computes at a section?</summary>
public static class ApproximationTest
{
    /// <summary>Runs it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="section">The section whose activations the dictionary codes.</param>
    /// <param name="dictionary">The dictionary.</param>
    /// <param name="batch">Prompts.</param>
    /// <param name="mean">Mean activation (D) of the data the dictionary was made from.</param>
    /// <param name="scale">What activations were scaled by before the dictionary saw them; null for nothing.</param>
    public static ApproximationResult Run(LanguageModel model, CircuitSection section, IDictionary dictionary, TaskBatch batch, Tensor mean, ActivationScale? scale = null)
    {
        ArgumentNullException.ThrowIfNull(section);
        ArgumentNullException.ThrowIfNull(dictionary);
        ArgumentNullException.ThrowIfNull(mean);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var activations = section.Read(model, batch);
        var rebuilt = Rebuild(dictionary, activations, batch, scale);
        var clean = Differences(null);
        var ablated = Differences(mean.expand_as(activations));
        return new(
            clean.Average(),
            ablated.Average(),
            LogitDifferenceScore.OfPrompts(clean, ablated, Differences(rebuilt)),
            LogitDifferenceScore.OfPrompts(clean, ablated, Differences(mean + activations - rebuilt)))
        {
            PromptCount = clean.Length,
            CleanError = Estimate.OfValues(clean, "prompts").StandardError,
            AblatedError = Estimate.OfValues(ablated, "prompts").StandardError,
        };

        double[] Differences(Tensor? values) => batch.Scores(section.Logits(model, batch, values)).cpu().data<double>().ToArray();
    }

    private static Tensor Rebuild(IDictionary dictionary, Tensor activations, TaskBatch batch, ActivationScale? scale)
    {
        var seen = scale is null ? activations : scale.Apply(activations);
        var rebuilt = dictionary is SparseAutoencoder autoencoder
            ? autoencoder.Reconstruct(seen)
            : dictionary.Decode(dictionary.Encode(new ActivationBatch(seen, batch.Attributes)));
        if (scale is null)
            return rebuilt;
        rebuilt = rebuilt / scale.Factor;
        return scale.Mean is null ? rebuilt : rebuilt + scale.Mean;
    }
}

/// <summary>What test 1 found.</summary>
/// <param name="CleanDifference">Logit difference of the clean runs.</param>
/// <param name="AblatedDifference">Under mean ablation.</param>
/// <param name="Sufficiency">Scores with activations replaced by their reconstructions.</param>
/// <param name="Necessity">Scores with activations replaced by the mean plus what reconstructions leave; see its
/// <see cref="LogitDifferenceScore.Necessity"/>.</param>
public sealed record ApproximationResult(double CleanDifference, double AblatedDifference, LogitDifferenceScore Sufficiency, LogitDifferenceScore Necessity)
{
    /// <summary>Prompts that it is the mean of; 0 where that is not known.</summary>
    public long PromptCount { get; init; }

    /// <summary>Standard error of <see cref="CleanDifference"/> over prompts; NaN where it is not known.</summary>
    public double CleanError { get; init; } = double.NaN;

    /// <summary>Standard error of <see cref="AblatedDifference"/> over prompts.</summary>
    public double AblatedError { get; init; } = double.NaN;
}
