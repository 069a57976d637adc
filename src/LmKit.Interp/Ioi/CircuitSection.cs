using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Nodes of a circuit that are read and patched together, their vectors side by side.</summary>
/// <param name="Name">Its name, such as <c>END-out</c>.</param>
/// <param name="Nodes">Its nodes.</param>
public sealed record CircuitSection(string Name, IReadOnlyList<CircuitNode> Nodes)
{
    /// <summary>Activations (B, sum of widths) of clean runs; the caller disposes them.</summary>
    public Tensor Read(LanguageModel model, IoiBatch batch)
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
            model.Hidden(batch.Tokens).Dispose();
            return cat([.. taps.Zip(Nodes).Select(pair => Row(pair.First.Latest!, batch, pair.Second))], 1).MoveToOuterDisposeScope();
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
    public Tensor Logits(LanguageModel model, IoiBatch batch, Tensor? values = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(batch);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var taps = new List<ActivationTap>();
        try
        {
            foreach (var (index, node) in (values is null ? [] : Nodes).Index())
            {
                taps.Add(ActivationTap.Edit(model, node.HookName, activation =>
                {
                    // Every point of a model has the model's width.
                    Shapes.CheckWidth(values!, Nodes.Count * activation.size(2), $"Section '{Name}'");
                    return Replace(activation, batch, node, values!.narrow(1, index * activation.size(2), activation.size(2)));
                }));
            }
            var hidden = model.Hidden(batch.Tokens);
            return model.Logits(Row(hidden, batch, new CircuitNode(string.Empty, IoiPosition.End))).MoveToOuterDisposeScope();
        }
        finally
        {
            foreach (var tap in taps)
                tap.Dispose();
        }
    }

    private static Tensor Index(Tensor activation, IoiBatch batch, CircuitNode node) =>
        batch.Positions.select(1, (long)node.Position).reshape(-1, 1, 1).expand(-1, 1, activation.size(2)); // (B, 1, D)

    private static Tensor Row(Tensor activation, IoiBatch batch, CircuitNode node) => activation.gather(1, Index(activation, batch, node)).squeeze(1);

    private static Tensor Replace(Tensor activation, IoiBatch batch, CircuitNode node, Tensor values) =>
        activation.scatter(1, Index(activation, batch, node), values.unsqueeze(1));
}
