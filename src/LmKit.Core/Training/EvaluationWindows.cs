using static TorchSharp.torch;

namespace LmKit;

/// <summary>Cuts data into windows, in order, so that every token but the first is predicted exactly once.</summary>
/// <remarks>
/// A window of L tokens predicts its last L - 1 from those before them; the next window therefore begins with its last
/// token. The rest at the end comes as one shorter window in a batch of its own, so no padding is needed.
/// </remarks>
public static class EvaluationWindows
{
    /// <summary>The batches: (B, L) int64, then perhaps a smaller one and a shorter one; the caller disposes each.</summary>
    /// <exception cref="ArgumentException">The data has fewer than two tokens, or a size is too small.</exception>
    public static IEnumerable<Tensor> Read(TokenDataset data, long length, long batchSize)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        return data.Count >= 2
            ? Batches(data, length, batchSize)
            : throw new ArgumentException($"{data.FilePath} has {data.Count} tokens; an evaluation needs at least two.", nameof(data));
    }

    private static IEnumerable<Tensor> Batches(TokenDataset data, long length, long batchSize)
    {
        var step = length - 1;
        var whole = (data.Count - 1) / step;
        for (long first = 0; first < whole; first += batchSize)
        {
            var starts = new long[Math.Min(batchSize, whole - first)];
            for (var row = 0; row < starts.Length; row++)
            {
                starts[row] = (first + row) * step;
            }
            yield return data.Windows(starts, length);
        }
        if (data.Count - (whole * step) is var rest and > 1)
        {
            yield return data.Windows([whole * step], rest);
        }
    }
}
