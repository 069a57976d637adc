using TorchSharp.Modules;

namespace LmKit;

/// <summary>Parameters that are trained alike.</summary>
/// <param name="Hint">How they depart from the default.</param>
/// <param name="Parameters">Them, by full name.</param>
public sealed record DecayGroup(ParameterHint Hint, IReadOnlyList<(string Name, Parameter Parameter)> Parameters);
