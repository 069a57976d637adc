using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A packed or padded batch as one row per document, so that a mixer of plain rows keeps the packed and padded laws exactly.</summary>
/// <remarks>For mixers whose outputs at t depend on all earlier columns of a row, such as convolutions. Documents are gathered by
/// length, at most doubled within a group, so that the rows hold at most twice the valid tokens.</remarks>
internal sealed class DocumentGroups
{
    private readonly SequenceLayout layout;
    private readonly long[] inverse;

    private DocumentGroups(SequenceLayout layout, DocumentGroup[] groups, long[] inverse, bool isWhole)
    {
        this.layout = layout;
        this.inverse = inverse;
        Groups = groups;
        IsWhole = isWhole;
    }

    /// <summary>The groups, shortest documents first; none when every column is padding.</summary>
    internal IReadOnlyList<DocumentGroup> Groups { get; }

    /// <summary>Whether each row is one document that goes on from the row's state, without padding: nothing needs to be regrouped.</summary>
    internal bool IsWhole { get; }

    /// <summary>Finds the documents of a call.</summary>
    internal static DocumentGroups Read(SequenceLayout layout)
    {
        ArgumentNullException.ThrowIfNull(layout);
        var runs = Runs(layout);
        var isWhole = runs.Count == layout.Batch && runs.TrueForAll(run => run.Columns.Count == layout.Length && run.Continues);
        var inverse = new long[layout.Batch * layout.Length];
        Array.Fill(inverse, -1);
        var groups = new List<DocumentGroup>();
        long offset = 0;
        foreach (var alike in runs.GroupBy(run => long.Log2(run.Columns.Count)).OrderBy(alike => alike.Key))
        {
            var group = Gather([.. alike], layout.Length, inverse, offset);
            offset += group.Count * group.Length;
            groups.Add(group);
        }
        for (var place = 0; place < inverse.Length; place++)
            inverse[place] = inverse[place] < 0 ? offset : inverse[place];
        return new DocumentGroups(layout, [.. groups], inverse, isWhole);
    }

    /// <summary>Puts the groups' outputs back where their tokens stood; padding gets zeros.</summary>
    /// <param name="outputs">One (G, length, D) per group, in their order; at least one.</param>
    /// <returns>(B, L, D).</returns>
    internal Tensor Join(IReadOnlyList<Tensor> outputs)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        using var scope = NewDisposeScope();
        var width = outputs[0].size(2);
        var rows = outputs.Select(output => output.reshape(-1, width)).Append(outputs[0].new_zeros(1, width));
        var places = tensor(inverse, device: outputs[0].device);
        return cat([.. rows], 0).index_select(0, places).view(layout.Batch, layout.Length, width).MoveToOuterDisposeScope();
    }

    private static List<Run> Runs(SequenceLayout layout)
    {
        var runs = new List<Run>();
        for (long row = 0; row < layout.Batch; row++)
        {
            Run? last = null;
            for (long column = 0; column < layout.Length; column++)
            {
                var document = layout.Segment(row, column);
                if (document < 0)
                    continue;
                if (last is null || last.Document != document)
                {
                    last = new Run(row, document, layout.Position(row, column) > 0);
                    runs.Add(last);
                }
                last.Columns.Add(column);
            }
            if (last is not null)
                last.EndsRow = true;
        }
        return runs;
    }

    private static DocumentGroup Gather(Run[] runs, long rowLength, long[] inverse, long offset)
    {
        var length = runs.Max(run => run.Columns.Count);
        var index = new long[runs.Length * length];
        for (var member = 0; member < runs.Length; member++)
        {
            var (row, columns) = (runs[member].Row, runs[member].Columns);
            for (var column = 0; column < length; column++)
            {
                var place = row * rowLength + columns[Math.Min(column, columns.Count - 1)];
                index[member * length + column] = place;
                if (column < columns.Count)
                    inverse[place] = offset + member * length + column;
            }
        }
        return new DocumentGroup(
            length,
            index,
            [.. runs.Select(run => run.Row)],
            [.. runs.Select(run => (long)run.Columns.Count)],
            [.. runs.Select(run => run.Continues)],
            [.. runs.Select(run => run.EndsRow)]);
    }

    private sealed class Run(long row, long document, bool continues)
    {
        internal long Row { get; } = row;

        internal long Document { get; } = document;

        internal bool Continues { get; } = continues;

        internal List<long> Columns { get; } = [];

        internal bool EndsRow { get; set; }
    }
}

/// <summary>Documents of similar length from a packed or padded batch, each as a row of its own, aligned left.</summary>
/// <remarks>Made by <see cref="DocumentGroups"/>. The tail of a shorter row repeats its last token: a causal mixer's valid outputs
/// do not depend on it, and what a mixer carries on must be taken at <see cref="Lengths"/>.</remarks>
internal sealed class DocumentGroup
{
    private readonly long[] index;

    internal DocumentGroup(long length, long[] index, long[] rows, long[] lengths, bool[] continues, bool[] endsRow)
    {
        Length = length;
        this.index = index;
        Rows = rows;
        Lengths = lengths;
        Continues = continues;
        EndsRow = endsRow;
    }

    /// <summary>Columns of the group: its longest document.</summary>
    internal long Length { get; }

    /// <summary>Number of documents G.</summary>
    internal long Count => Rows.Count;

    /// <summary>The batch row of each document.</summary>
    internal IReadOnlyList<long> Rows { get; }

    /// <summary>The length of each document within this call.</summary>
    internal IReadOnlyList<long> Lengths { get; }

    /// <summary>Whether each document began in an earlier call and goes on from its row's state.</summary>
    internal IReadOnlyList<bool> Continues { get; }

    /// <summary>Whether each document is its row's last, whose end is the row's new state.</summary>
    internal IReadOnlyList<bool> EndsRow { get; }

    /// <summary>Whether all documents have the group's full length.</summary>
    internal bool IsEven => Lengths.All(length => length == Length);

    /// <summary>Takes the group's tokens out of a batch: (B, L, D) to (G, <see cref="Length"/>, D).</summary>
    internal Tensor Split(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        using var places = tensor(index, device: x.device);
        using var flat = x.reshape(-1, x.size(2));
        using var taken = flat.index_select(0, places);
        return taken.view(Count, Length, x.size(2));
    }
}
