namespace LmKit;

/// <summary>One vector of a circuit: an activation at a point of the model, at a place of the prompt.</summary>
/// <param name="HookName">The point, such as <c>layers.2.mixer_out</c>.</param>
/// <param name="Position">The place.</param>
public sealed record CircuitNode(string HookName, IoiPosition Position);
