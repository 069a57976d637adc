using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Test 2: can an attribute be changed by swapping few features?</summary>
public static class ControllabilityTest
{
    /// <summary>Edits greedily towards the counterfactual activations.</summary>
    /// <remarks>A <see cref="SectionDictionary"/> swaps that many features in every node, and weights are averaged over prompts and nodes, as
    /// in Makelov et al. 2024; any other dictionary swaps them in the section as a whole.</remarks>
    /// <param name="model">The model.</param>
    /// <param name="section">The section.</param>
    /// <param name="dictionary">A dictionary of the section's raw activations: fold a scale first; factors of rows are undone.</param>
    /// <param name="clean">Clean prompts.</param>
    /// <param name="counterfactual">The same prompts with one attribute changed.</param>
    /// <param name="counts">Numbers of features to try.</param>
    public static IReadOnlyList<ControllabilityResult> Run(LanguageModel model, CircuitSection section, IDictionary dictionary, TaskBatch clean, TaskBatch counterfactual, params IReadOnlyList<int> counts)
    {
        ArgumentNullException.ThrowIfNull(section);
        ArgumentNullException.ThrowIfNull(dictionary);
        ArgumentNullException.ThrowIfNull(counts);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (from, to) = (section.Read(model, clean), section.Read(model, counterfactual));
        var (start, goal) = (section.Logits(model, clean), section.Logits(model, clean, to));
        var before = Agreement.Of(start, goal);
        var (source, target) = (new ActivationBatch(from, clean.Attributes), new ActivationBatch(to, counterfactual.Attributes));
        return [.. counts.Select(count =>
        {
            var (edited, removed) = Edit(dictionary, source, target, count);
            return new ControllabilityResult(
                count,
                Agreement.Of(section.Logits(model, clean, edited), goal),
                before,
                MeanWeight(removed))
            {
                PromptCount = clean.Tokens.size(0),
            };
        })];
    }

    /// <summary>The same with the arithmetic edit of a supervised dictionary.</summary>
    /// <param name="model">The model.</param>
    /// <param name="section">The section.</param>
    /// <param name="dictionary">The supervised dictionary.</param>
    /// <param name="clean">Clean prompts.</param>
    /// <param name="counterfactual">The same prompts with an attribute changed.</param>
    /// <param name="blocks">Indices of the blocks that change.</param>
    public static ControllabilityResult RunSupervised(LanguageModel model, CircuitSection section, SupervisedDictionary dictionary, TaskBatch clean, TaskBatch counterfactual, params IReadOnlyList<int> blocks)
    {
        ArgumentNullException.ThrowIfNull(section);
        ArgumentNullException.ThrowIfNull(clean);
        ArgumentNullException.ThrowIfNull(counterfactual);
        ArgumentNullException.ThrowIfNull(blocks);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (from, to) = (section.Read(model, clean), section.Read(model, counterfactual));
        var goal = section.Logits(model, clean, to);
        var edited = SupervisedEdit.Apply(dictionary, from, clean.Attributes, counterfactual.Attributes, blocks);
        var weights = SupervisedEdit.Weights(dictionary, clean.Attributes).index_select(1, tensor(blocks.Select(block => (long)block).ToArray(), device: dictionary.Atoms.device));
        return new(
            blocks.Count,
            Agreement.Of(section.Logits(model, clean, edited), goal),
            Agreement.Of(section.Logits(model, clean), goal),
            MeanWeight(weights.sum(1)))
        {
            PromptCount = clean.Tokens.size(0),
        };
    }

    // Prompts whose codes rebuild nothing have no weights.
    private static double MeanWeight(Tensor removed)
    {
        var valid = removed.masked_select(removed.isnan().logical_not());
        return valid.numel() > 0 ? valid.to(ScalarType.Float64).mean().item<double>() : double.NaN;
    }

    // The edited activations (B, D) and the weight of what was taken out (B, nodes).
    private static (Tensor Edited, Tensor Removed) Edit(IDictionary dictionary, ActivationBatch source, ActivationBatch target, int count)
    {
        if (dictionary is SectionDictionary section)
        {
            var edits = section.Parts.Zip(section.Split(source), section.Split(target)).Select(node => Edit(node.First, node.Second, node.Third, count)).ToArray();
            return (cat([.. edits.Select(edit => edit.Edited)], 1), cat([.. edits.Select(edit => edit.Removed)], 1));
        }
        var edit = SparseControl.Greedy(dictionary, source, target, count);
        // A pick that finds nothing to swap may repeat a feature or name an unchanged one: each changed feature counts once.
        var codes = dictionary.Encode(source);
        var changed = zeros_like(codes).scatter(1, edit.Features, edit.CleanCodes.ne(edit.CounterfactualCodes).to(codes.dtype));
        return (edit.Edited, (SparseControl.Weights(dictionary, codes) * changed).sum(1, keepdim: true));
    }
}

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

/// <summary>Whether two runs predict the same token.</summary>
public static class Agreement
{
    /// <summary>Share of prompts where two runs have the same largest logit over the whole vocabulary.</summary>
    /// <param name="logits">Logits (B, V) of one run.</param>
    /// <param name="others">Logits (B, V) of the other.</param>
    public static double Of(Tensor logits, Tensor others)
    {
        var check = new TensorCheck(nameof(Agreement));
        check.AnyFloating(logits, nameof(logits), "B V");
        check.AnyFloating(others, nameof(others), "B V");
        if (check["V"] == 0)
            throw new ArgumentException("There is no logit to compare: V is 0.", nameof(logits));
        using var scope = NewDisposeScope();
        return logits.argmax(1).eq(others.argmax(1)).to(ScalarType.Float64).mean().item<double>();
    }
}
