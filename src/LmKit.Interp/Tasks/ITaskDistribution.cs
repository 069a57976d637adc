using static TorchSharp.torch;

namespace LmKit;

/// <summary>A task that dictionaries can be judged on: prompts with known attributes, and their counterfactuals.</summary>
/// <remarks>Law: a counterfactual differs from its prompt in one attribute and nothing else that the task knows of. Pure but for the
/// generator; the caller disposes batches.</remarks>
public interface ITaskDistribution
{
    /// <summary>Its attributes, one block each: column i of <see cref="TaskBatch.Attributes"/> is block i.</summary>
    IReadOnlyList<AttributeBlock> Attributes { get; }

    /// <summary>Draws prompts.</summary>
    TaskBatch Draw(int count, Generator random);

    /// <summary>The same prompts with one attribute changed to another value.</summary>
    /// <exception cref="ArgumentException">The batch is of another task, or the attribute is unknown.</exception>
    TaskBatch Counterfactual(TaskBatch batch, string attribute, Generator random);
}
