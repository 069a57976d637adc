using static TorchSharp.torch;

namespace LmKit;

/// <summary>The codes that rows keep, without those that are zero because they were not chosen.</summary>
/// <param name="Places">Where they stand.</param>
/// <param name="Values">The codes (N), with their graph.</param>
internal sealed record KeptCodes(KeptFeatures Places, Tensor Values)
{
    /// <summary>Sums a number of each entry (N) over the entries of each row (B).</summary>
    internal Tensor RowSums(Tensor numbers) => zeros([Places.RowCount], numbers.dtype).index_add(0, Places.Rows(), numbers, 1);
}
