using static TorchSharp.torch;

namespace LmKit;

/// <summary>A training checkpoint that was read whole and belongs to the run that asked for it.</summary>
/// <param name="Header">What it says.</param>
/// <param name="Parts">Its tensors by part and name, finite all of them; they belong to the caller's scope.</param>
/// <param name="Report">Where it was found and what was passed over.</param>
internal sealed record RunCheckpoint(RunHeader Header, IReadOnlyDictionary<string, IReadOnlyDictionary<string, Tensor>> Parts, ResumeReport Report);
