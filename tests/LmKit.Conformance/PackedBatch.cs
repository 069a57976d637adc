using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>Which document each token of a batch belongs to; -1 is padding.</summary>
/// <param name="name">Says what is special about it.</param>
/// <param name="rows">Document ids, row by row, all rows of one length.</param>
internal sealed class PackedBatch(string name, params long[][] rows)
{
    private const long Padding = -1;

    internal long Rows => rows.Length;

    internal long Length => rows[0].Length;

    public override string ToString() => name;

    /// <summary>Batches of several documents a row, cut differently in each row.</summary>
    internal static IReadOnlyList<PackedBatch> Several(long length)
    {
        var (n, half) = ((int)length, (int)length / 2);
        return
        [
            new("three, one and two documents", Runs(n, (0, 3), (1, half - 3), (2, n - half)), Runs(n, (5, n)), Runs(n, (9, n - 1), (4, 1))),
            new("one document a token", [.. Enumerable.Range(0, n).Select(column => (long)column)], Runs(n, (3, 1), (2, n - 1))),
            new("documents of one id in every row", Runs(n, (7, half), (8, n - half)), Runs(n, (7, half), (8, n - half))),
        ];
    }

    /// <summary>Batches with padding on the left, on the right, in the middle, everywhere, and between documents.</summary>
    internal static IReadOnlyList<PackedBatch> Padded(long length)
    {
        var n = (int)length;
        return
        [
            new("left padding", Runs(n, (Padding, 4), (0, n - 4)), Runs(n, (0, n)), Runs(n, (Padding, n - 1), (0, 1))),
            new("right padding", Runs(n, (0, n - 4), (Padding, 4)), Runs(n, (0, n)), Runs(n, (0, 1), (Padding, n - 1))),
            new("padding in the middle", Runs(n, (0, 2), (Padding, 3), (0, n - 5)), Runs(n, (0, n)), Runs(n, (0, n - 3), (Padding, 1), (0, 2))),
            new("a row of padding", Runs(n, (Padding, n)), Runs(n, (0, n))),
            new("padding between documents", Runs(n, (3, 2), (Padding, 1), (6, n - 5), (Padding, 2)), Runs(n, (Padding, 1), (2, n - 3), (Padding, 1), (1, 1))),
        ];
    }

    internal long Id(long row, long column) => rows[row][column];

    /// <summary>Document ids (B, L), or of some columns.</summary>
    internal Tensor Segments(long start = 0, long? length = null)
    {
        var count = length ?? Length - start;
        var ids = rows.SelectMany(row => row.AsSpan((int)start, (int)count).ToArray()).ToArray();
        return ids.Length == 0 ? zeros(Rows, count, dtype: ScalarType.Int64) : tensor(ids, [Rows, count]);
    }

    internal IEnumerable<PackedDocument> Documents() =>
        from row in Enumerable.Range(0, rows.Length)
        from document in rows[row].Index().Where(token => token.Item >= 0).GroupBy(token => token.Item)
        select new PackedDocument(row, document.Key, [.. document.Select(token => (long)token.Index)]);

    /// <summary>Large values at padding, so that a leak shows.</summary>
    internal Tensor Disturb(Tensor x) => x.masked_fill(Segments().lt(0).unsqueeze(-1), 100.0);

    private static long[] Runs(int length, params (long Id, int Count)[] runs)
    {
        long[] ids = [.. runs.SelectMany(run => Enumerable.Repeat(run.Id, run.Count))];
        return ids.Length == length ? ids : throw new ArgumentException($"Runs of {ids.Length} tokens for a row of {length}.", nameof(runs));
    }
}
