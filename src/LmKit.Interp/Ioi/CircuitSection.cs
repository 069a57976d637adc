using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Nodes of a circuit that are read and patched together, their vectors of one width side by side.</summary>
/// <param name="Name">Its name, such as <c>END-out</c>.</param>
/// <param name="Nodes">Its nodes.</param>
public sealed record CircuitSection(string Name, IReadOnlyList<CircuitNode> Nodes)
{
    /// <summary>Activations (B, sum of widths) of clean runs; the caller disposes them.</summary>
    /// <exception cref="ArgumentException">A node names a point or head that the model lacks.</exception>
    public Tensor Read(LanguageModel model, TaskBatch batch)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(batch);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var taps = new List<ActivationTap>();
        try
        {
            foreach (var node in Nodes)
                taps.Add(ActivationTap.Read(model, node.HookName));
            model.Hidden(batch.TokensFor(model)).Dispose();
            return cat([.. taps.Zip(Nodes).Select(pair => Rows(Vectors(pair.First.Latest!, pair.Second), Places(batch, pair.Second.Place)))], 1).MoveToOuterDisposeScope();
        }
        finally
        {
            foreach (var tap in taps)
                tap.Dispose();
        }
    }

    /// <summary>Logits (B, V) at the last place with all nodes replaced at once in one run; nothing downstream is computed anew for the
    /// edit. The caller disposes them.</summary>
    /// <param name="model">The model, left as it was.</param>
    /// <param name="batch">Prompts.</param>
    /// <param name="values">What the nodes are replaced by (B, sum of widths); null runs clean.</param>
    public Tensor Logits(LanguageModel model, TaskBatch batch, Tensor? values = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(batch);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var taps = new List<ActivationTap>();
        try
        {
            foreach (var (index, node) in (values is null ? [] : Nodes).Index())
                taps.Add(ActivationTap.Edit(model, node.HookName, activation => Replace(activation, batch, node, index, values!)));
            var hidden = model.Hidden(batch.TokensFor(model));
            return model.Logits(Rows(hidden, Places(batch, (int)batch.Positions.size(1) - 1))).MoveToOuterDisposeScope();
        }
        finally
        {
            foreach (var tap in taps)
                tap.Dispose();
        }
    }

    private Tensor Replace(Tensor activation, TaskBatch batch, CircuitNode node, int index, Tensor values)
    {
        var width = Vectors(activation, node).size(2);
        Shapes.CheckWidth(values, Nodes.Count * width, $"Section '{Name}'");
        var own = values.narrow(1, index * width, width);
        var rows = arange(activation.size(0), device: activation.device);
        TensorIndex[] place = [TensorIndex.Tensor(rows), TensorIndex.Tensor(Places(batch, node.Place).to(activation.device))];
        var edited = activation.clone();
        edited[node.Head is { } head ? [.. place, TensorIndex.Single(head)] : place] = own.reshape(node.Head is null ? [own.size(0), .. activation.shape[2..]] : own.shape);
        return edited;
    }

    // (B, L, D), or (B, L, H, P) with the heads joined or one of them alone.
    private Tensor Vectors(Tensor activation, CircuitNode node)
    {
        if (node.Head is not { } head)
            return activation.dim() == 3 ? activation : activation.reshape(activation.size(0), activation.size(1), -1);
        if (activation.dim() != 4 || head < 0 || head >= activation.size(2))
            throw new ArgumentException($"Section '{Name}': point '{node.HookName}' has no head {head}; its activation is ({string.Join(", ", activation.shape)}).");
        return activation.select(2, head);
    }

    private static Tensor Places(TaskBatch batch, int place) => place >= 0 && place < batch.Positions.size(1)
        ? batch.Positions.select(1, place)
        : throw new ArgumentException($"There is no place {place}; prompts of {batch.GetType().Name} have 0 to {batch.Positions.size(1) - 1}.");

    private static Tensor Rows(Tensor vectors, Tensor places) =>
        vectors.gather(1, places.to(vectors.device).reshape(-1, 1, 1).expand(-1, 1, vectors.size(2))).squeeze(1);
}

/// <summary>One vector of a circuit: an activation at a point of the model, at a place of the prompt.</summary>
/// <param name="HookName">The point, such as <c>layers.2.mixer_out</c> or <c>layers.2.mixer.z</c>.</param>
/// <param name="Place">The column of <see cref="TaskBatch.Positions"/>.</param>
/// <param name="Head">The head, at a point that has heads; null for the vectors of all heads side by side.</param>
public sealed record CircuitNode(string HookName, int Place, int? Head = null)
{
    /// <summary>A node of an IOI prompt.</summary>
    public CircuitNode(string hookName, IoiPosition position, int? head = null)
        : this(hookName, (int)position, head)
    {
    }
}
