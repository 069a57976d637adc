using static TorchSharp.torch;

namespace LmKit;

/// <summary>What attention works on, before position encoding.</summary>
/// <param name="Queries">(B, H, L, P).</param>
/// <param name="Keys">(B, Hkv, M, P); query head h reads key head h / (H / Hkv).</param>
/// <param name="Values">(B, Hkv, M, P).</param>
/// <param name="QueryPositions">(B, L) int64: the row's own count of valid tokens of the same document before it.</param>
/// <param name="KeyPositions">(B, M) int64, likewise.</param>
/// <param name="QuerySegments">(B, L) int64 document ids, -1 for padding; null when every row is one document without padding.</param>
/// <param name="KeySegments">(B, M) int64, likewise; null exactly when <paramref name="QuerySegments"/> is.</param>
/// <param name="Encoding">The position encoding, or null for none.</param>
/// <remarks>Attending hides padding and other documents; a query that sees no key gives 0. When the segments are null all rows
/// share the same positions, and the positions are consecutive over the new tokens.</remarks>
public sealed record AttentionInput(
    Tensor Queries,
    Tensor Keys,
    Tensor Values,
    Tensor QueryPositions,
    Tensor KeyPositions,
    Tensor? QuerySegments,
    Tensor? KeySegments,
    PositionEncoding? Encoding)
{
    /// <summary>The same with queries, keys and values in float32 where they are in half precision, whose scores would be too coarse to
    /// tell keys apart; new handles in the caller's dispose scope.</summary>
    internal AttentionInput Widened() => this with
    {
        Queries = HalfPrecision.Widen(Queries),
        Keys = HalfPrecision.Widen(Keys),
        Values = HalfPrecision.Widen(Values),
    };
}
