using static TorchSharp.torch;

namespace LmKit;

/// <summary>Mixes rows of equal length, each one document, from what they carry (from the start without any).</summary>
/// <param name="inputs">Projections (B, L, ...).</param>
/// <param name="carry">What the rows begin with, or null.</param>
/// <param name="lengths">How many columns of each row count; null for all.</param>
/// <param name="tracksState">Whether gradients flow into what the rows end with.</param>
/// <returns>Outputs (B, L, ...) and, given a carry, what the rows end with.</returns>
internal delegate (Tensor Output, Tensor[]? Next) RowMixing(Tensor[] inputs, Tensor[]? carry, IReadOnlyList<long>? lengths, bool tracksState);
