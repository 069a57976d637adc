using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The test bench of Makelov et al. 2024 at one section of a model: any dictionary, scored side by side with the others.</summary>
/// <remarks>Dictionaries take raw activations: fold a scale first; factors of rows are undone. Owns nothing. Single-threaded.</remarks>
/// <param name="model">The model.</param>
/// <param name="section">The section that is rebuilt and edited.</param>
/// <param name="mean">Mean activation (D) of the data that dictionaries were made from.</param>
/// <param name="clean">Prompts to judge on; keep them apart from those that dictionaries were made from.</param>
/// <param name="counterfactual">The same prompts with one attribute changed.</param>
/// <param name="attribute">That attribute's block, as the task names it.</param>
public sealed class DictionaryBench(LanguageModel model, CircuitSection section, Tensor mean, TaskBatch clean, TaskBatch counterfactual, AttributeBlock attribute)
{
    /// <summary>Runs tests 1 and 2.</summary>
    /// <param name="name">The dictionary's name in the table.</param>
    /// <param name="dictionary">The dictionary; a supervised one is edited by arithmetic in one swap per block that holds the attribute.</param>
    /// <param name="counts">Numbers of features to swap.</param>
    public BenchRow Run(string name, IDictionary dictionary, params IReadOnlyList<int> counts)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        ArgumentNullException.ThrowIfNull(counts);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var approximation = ApproximationTest.Run(model, section, dictionary, clean, mean);
        var activations = section.Read(model, clean);
        var codes = dictionary.Encode(new ActivationBatch(activations, clean.Attributes));
        var output = dictionary is SparseAutoencoder autoencoder ? autoencoder.Reconstruct(activations, codes) : dictionary.Decode(codes);
        IReadOnlyList<ControllabilityResult> control = dictionary is SupervisedDictionary supervised
            ? [ControllabilityTest.RunSupervised(model, section, supervised, clean, counterfactual, Blocks(supervised))]
            : ControllabilityTest.Run(model, section, dictionary, clean, counterfactual, counts);
        return new(
            section.Name,
            attribute.Name,
            name,
            approximation,
            codes.ne(0).sum(1).to(ScalarType.Float64).mean().item<double>(),
            ReconstructionQuality.Of(activations, output).ExplainedVariance,
            control);
    }

    private int[] Blocks(SupervisedDictionary dictionary)
    {
        int[] blocks = [.. dictionary.Blocks.Index().Where(block => block.Item.Columns.Intersect(attribute.Columns).Any()).Select(block => block.Index)];
        return blocks.Length > 0 ? blocks : throw new ArgumentException($"No block of the dictionary holds the attribute '{attribute.Name}'.", nameof(dictionary));
    }
}

/// <summary>What the first two tests found for one dictionary at one section.</summary>
/// <param name="Section">The section.</param>
/// <param name="Attribute">The attribute that was changed.</param>
/// <param name="Dictionary">The dictionary's name.</param>
/// <param name="Approximation">Test 1.</param>
/// <param name="ActiveCount">Mean number of active features (L0) on the clean prompts.</param>
/// <param name="ExplainedVariance">Share of the activations' variance that is rebuilt.</param>
/// <param name="Control">Test 2, one entry for each number of features tried.</param>
public sealed record BenchRow(
    string Section,
    string Attribute,
    string Dictionary,
    ApproximationResult Approximation,
    double ActiveCount,
    double ExplainedVariance,
    IReadOnlyList<ControllabilityResult> Control);
