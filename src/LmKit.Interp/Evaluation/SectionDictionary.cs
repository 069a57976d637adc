using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Dictionaries of single nodes as one of their section: each codes its own columns, and test 2 lets each swap its own k features.</summary>
/// <remarks>Codes stand side by side in the order of the nodes, atoms are block-diagonal. Take parts that are trained and folded: their
/// atoms and biases are copied. Does not own the parts. As thread-safe as they are.</remarks>
public sealed class SectionDictionary : IDictionary, IDisposable
{
    /// <summary>Joins dictionaries.</summary>
    /// <param name="parts">One dictionary for each node of the section, in its order.</param>
    /// <exception cref="ArgumentException">There is none, or one scales each row by factors of its own, so that no fixed atoms rebuild raw
    /// activations.</exception>
    public SectionDictionary(params IReadOnlyList<IDictionary> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        if (parts.Count == 0)
            throw new ArgumentException("A section has at least one node; pass a dictionary for each.", nameof(parts));
        if (parts.OfType<SparseAutoencoder>().FirstOrDefault(part => part.Options.InputNormalization != InputNormalization.None) is { } scaled)
            throw new ArgumentException($"{scaled.GetName()} normalises each row ({scaled.Options.InputNormalization}); fold an {nameof(ActivationScale)} instead.", nameof(parts));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        Parts = parts;
        Atoms = block_diag([.. parts.Select(part => part.Atoms.detach())]).DetachFromDisposeScope();
        Bias = cat([.. parts.Select(part => part.Bias.detach())], 0).DetachFromDisposeScope();
    }

    /// <summary>The nodes' dictionaries.</summary>
    public IReadOnlyList<IDictionary> Parts { get; }

    /// <inheritdoc/>
    public Tensor Atoms { get; }

    /// <inheritdoc/>
    public Tensor Bias { get; }

    /// <inheritdoc/>
    public Tensor Encode(ActivationBatch batch)
    {
        using var scope = NewDisposeScope();
        return cat([.. Split(batch).Zip(Parts).Select(pair => pair.Second.Encode(pair.First))], 1).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Decode(Tensor codes)
    {
        Shapes.CheckInput(codes, Atoms, Atoms.size(0), nameof(SectionDictionary));
        new TensorCheck(nameof(SectionDictionary)).Floating(codes, nameof(codes), "B F");
        using var scope = NewDisposeScope();
        return (codes.mm(Atoms) + Bias).MoveToOuterDisposeScope();
    }

    /// <summary>A section's activations (B, D) as one batch for each node; the caller disposes their values, which share its memory.</summary>
    public IReadOnlyList<ActivationBatch> Split(ActivationBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Shapes.CheckInput(batch.Values, Atoms, Bias.size(0), nameof(SectionDictionary));
        new TensorCheck(nameof(SectionDictionary)).Floating(batch.Values, nameof(batch), "B D");
        long start = 0;
        var batches = new List<ActivationBatch>();
        foreach (var width in Parts.Select(part => part.Bias.size(0)))
        {
            batches.Add(batch with { Values = batch.Values.narrow(1, start, width) });
            start += width;
        }
        return batches;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Atoms.Dispose();
        Bias.Dispose();
    }
}
