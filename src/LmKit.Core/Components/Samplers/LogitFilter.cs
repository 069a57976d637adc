using static TorchSharp.torch;

namespace LmKit;

/// <summary>Changes next-token logits before the draw: temperature, truncation, penalties, a grammar.</summary>
/// <param name="logits">(B, V), from a sampler in float32 or wider; not changed in place.</param>
/// <param name="tokens">The grid so far (B, L) int64, -1 for padding and ended rows.</param>
/// <param name="promptLength">Columns of the grid that are the prompt.</param>
/// <returns>New logits (B, V), in the caller's dispose scope; negative infinity forbids a token.</returns>
public delegate Tensor LogitFilter(Tensor logits, Tensor tokens, long promptLength);
