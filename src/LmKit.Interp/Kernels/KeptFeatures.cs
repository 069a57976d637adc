using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The features that each row of a batch keeps, as lists: by row, and by feature.</summary>
internal sealed class KeptFeatures
{
    private int[]? byFeature;
    private int[]? starts;

    private KeptFeatures(long featureCount, int[] rowStarts, int[] features)
    {
        FeatureCount = (int)featureCount;
        RowStarts = rowStarts;
        Features = features;
    }

    /// <summary>F.</summary>
    internal int FeatureCount { get; }

    /// <summary>Where the entries of each row begin, and where the last ones end (B + 1).</summary>
    internal int[] RowStarts { get; }

    /// <summary>The feature of each entry (N), ascending in a row.</summary>
    internal int[] Features { get; }

    /// <summary>B.</summary>
    internal int RowCount => RowStarts.Length - 1;

    /// <summary>N.</summary>
    internal int Count => Features.Length;

    /// <summary>Reads a mask (B, F) on the CPU; null when it keeps more than <paramref name="most"/>.</summary>
    internal static unsafe KeptFeatures? Of(Tensor mask, long most)
    {
        using var scope = NewDisposeScope();
        var (rows, width) = ((int)mask.size(0), (int)mask.size(1));
        var contiguous = mask.contiguous();
        if (contiguous.numel() == 0)
            return new(width, new int[rows + 1], []);
        var start = (byte*)TensorAddress.Of(contiguous);
        var rowStarts = new int[rows + 1];
        for (var row = 0; row < rows; row++)
        {
            var total = rowStarts[row] + (long)new ReadOnlySpan<byte>(start + ((long)row * width), width).Count((byte)1);
            if (total > most || total > int.MaxValue)
                return null;
            rowStarts[row + 1] = (int)total;
        }
        var features = new int[rowStarts[rows]];
        var entry = 0;
        for (var row = 0; row < rows; row++)
        {
            var left = new ReadOnlySpan<byte>(start + ((long)row * width), width);
            for (int at = 0, next; (next = left[at..].IndexOf((byte)1)) >= 0; at += next + 1)
                features[entry++] = at + next;
        }
        GC.KeepAlive(contiguous);
        return new(width, rowStarts, features);
    }

    /// <summary>The row of each entry (N) int64; the caller's.</summary>
    internal Tensor Rows()
    {
        var rows = new long[Count];
        for (var row = 0; row < RowCount; row++)
            rows.AsSpan(RowStarts[row]..RowStarts[row + 1]).Fill(row);
        return tensor(rows);
    }

    /// <summary>Entries by feature, rows ascending, and where those of each feature begin (F + 1); with the row of each entry.</summary>
    internal (int[] Entries, int[] Starts, int[] Rows) ByFeature()
    {
        var rows = new int[Count];
        for (var row = 0; row < RowCount; row++)
            rows.AsSpan(RowStarts[row]..RowStarts[row + 1]).Fill(row);
        if (byFeature is null)
        {
            starts = new int[FeatureCount + 1];
            foreach (var feature in Features)
                starts[feature + 1]++;
            for (var feature = 0; feature < FeatureCount; feature++)
                starts[feature + 1] += starts[feature];
            var next = starts.AsSpan().ToArray();
            byFeature = new int[Count];
            for (var entry = 0; entry < Count; entry++)
                byFeature[next[Features[entry]]++] = entry;
        }
        return (byFeature, starts!, rows);
    }
}
