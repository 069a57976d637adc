namespace LmKit;

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
