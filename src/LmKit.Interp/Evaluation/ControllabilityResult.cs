namespace LmKit;

/// <summary>What test 2 found for one number of features.</summary>
/// <param name="FeatureCount">Features swapped (k), in every node where each has a dictionary of its own; for a supervised edit the blocks.</param>
/// <param name="Agreement">Share of prompts whose prediction is that of the true counterfactual activation.</param>
/// <param name="AgreementWithoutEdit">The same with no edit at all; near 1 the test cannot tell dictionaries apart.</param>
/// <param name="RemovedWeight">Mean total weight of the features that were changed.</param>
public sealed record ControllabilityResult(int FeatureCount, double Agreement, double AgreementWithoutEdit, double RemovedWeight)
{
    /// <summary>Whether the test can tell dictionaries apart.</summary>
    public bool HasResolution => AgreementWithoutEdit < 0.9;
}
