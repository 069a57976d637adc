using static TorchSharp.torch;

namespace LmKit;

/// <summary>Clears what stands behind each row's end.</summary>
internal static class TrimmedRows
{
    /// <summary>x with zeros from each row's length on.</summary>
    /// <param name="x">(B, L, ...).</param>
    /// <param name="lengths">How many columns of each row count; null for all.</param>
    internal static Tensor Clear(Tensor x, IReadOnlyList<long>? lengths)
    {
        if (lengths is null)
            return x;
        var ends = tensor(lengths.ToArray(), [lengths.Count, 1], device: x.device);
        var behind = arange(x.size(1), dtype: ScalarType.Int64, device: x.device).ge(ends); // (B, L)
        return x.masked_fill(behind.view([.. behind.shape, .. Enumerable.Repeat(1L, (int)x.dim() - 2)]), 0);
    }
}
