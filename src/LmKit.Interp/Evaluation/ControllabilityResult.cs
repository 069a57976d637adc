namespace LmKit;

/// <summary>What test 2 found for one number of features.</summary>
/// <param name="FeatureCount">Features swapped (k), in every node where each has a dictionary of its own; for a supervised edit the blocks.</param>
/// <param name="Agreement">Share of prompts whose prediction is that of the true counterfactual activation.</param>
/// <param name="AgreementWithoutEdit">The same with no edit at all; near 1 the test cannot tell dictionaries apart.</param>
/// <param name="RemovedWeight">Mean total weight of the features that were changed.</param>
public sealed record ControllabilityResult(int FeatureCount, double Agreement, double AgreementWithoutEdit, double RemovedWeight)
{
    /// <summary>Prompts that it is the mean of; 0 where that is not known.</summary>
    public long PromptCount { get; init; }

    /// <summary>Standard error of <see cref="Agreement"/> as a share of prompts; NaN where their number is not known.</summary>
    public double AgreementError => PromptCount == 0 ? double.NaN : Estimate.OfShare((long)Math.Round(Agreement * PromptCount), PromptCount, "prompts").StandardError;

    /// <summary>Whether the test can tell dictionaries apart.</summary>
    public bool HasResolution => AgreementWithoutEdit < 0.9;
}
