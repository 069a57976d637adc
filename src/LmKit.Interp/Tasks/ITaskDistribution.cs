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

/// <summary>Prompts of a task as tensors, with the places of their parts and the values of their attributes; owns them.</summary>
/// <remarks>Tensors may stay on the CPU: sections, dictionaries and scores bring what they need to the device of the model or its logits.</remarks>
public abstract class TaskBatch : IDisposable
{
    /// <summary>Takes the tensors over.</summary>
    /// <param name="tokens">Tokens (B, L).</param>
    /// <param name="positions">Columns (B, P) of the named places; the last is where the answer is predicted.</param>
    /// <param name="attributes">Attribute values (B, A) int64.</param>
    protected TaskBatch(Tensor tokens, Tensor positions, Tensor attributes)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentNullException.ThrowIfNull(positions);
        ArgumentNullException.ThrowIfNull(attributes);
        Tokens = tokens.DetachFromDisposeScope();
        Positions = positions.DetachFromDisposeScope();
        Attributes = attributes.DetachFromDisposeScope();
    }

    /// <summary>Tokens (B, L).</summary>
    public Tensor Tokens { get; }

    /// <summary>Columns (B, P) of the named places; the last is where the answer is predicted.</summary>
    public Tensor Positions { get; }

    /// <summary>Attribute values (B, A).</summary>
    public Tensor Attributes { get; }

    /// <summary>The task's metric of each prompt (B) in float64; the caller disposes it.</summary>
    /// <param name="logits">Logits (B, V) where the answer is predicted.</param>
    public abstract Tensor Scores(Tensor logits);

    /// <summary>The task's metric, averaged over the prompts.</summary>
    /// <param name="logits">Logits (B, V) where the answer is predicted.</param>
    public double Score(Tensor logits)
    {
        using var scores = Scores(logits);
        using var mean = scores.mean();
        return mean.item<double>();
    }

    /// <summary>The tokens on a model's device, within the open dispose scope.</summary>
    internal Tensor TokensFor(LanguageModel model) => Tokens.to(model.parameters().First().device);

    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the tensors; a batch that holds more frees it too.</summary>
    /// <param name="disposing">Whether it is called by <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        Tokens.Dispose();
        Positions.Dispose();
        Attributes.Dispose();
    }
}
