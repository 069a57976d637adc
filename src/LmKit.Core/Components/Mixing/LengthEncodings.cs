using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Which angles the rows of a call take where these depend on the length of the text.</summary>
internal static class LengthEncodings
{
    /// <summary>The encoding of a call, as <see cref="SequenceLayout.EncodingOf"/> tells.</summary>
    internal static PositionEncoding For(PositionEncoding family, long trained, SequenceLayout layout)
    {
        if (layout.Length == 0 || layout.Batch == 0)
            return family.ForLength(trained);
        if (layout.IsUniform)
            return ForText(family, 0, layout.Start, layout.Start + layout.Length);
        var rows = new PositionEncoding[layout.Batch];
        for (var row = 0; row < rows.Length; row++)
            rows[row] = ForRow(family, trained, layout, row);
        return Array.TrueForAll(rows, own => own == rows[0]) ? rows[0] : new RowEncodings(rows);
    }

    private static PositionEncoding ForRow(PositionEncoding family, long trained, SequenceLayout layout, int row)
    {
        var (first, length, isPacked) = (-1L, 0L, false); // of the row's text: where this call finds it, and tokens of its longest document
        long? document = null;
        for (var column = 0; column < layout.Length; column++)
        {
            var position = layout.Position(row, column);
            if (position < 0)
                continue;
            isPacked |= document is { } other && other != layout.Segment(row, column);
            document = layout.Segment(row, column);
            first = first < 0 ? position : first;
            length = Math.Max(length, position + 1);
        }
        if (isPacked && length > trained)
        {
            throw new NotSupportedException(
                $"Row {row} is packed with several documents, one of them of {length} tokens, and the angles of {family} depend on the length beyond the {trained} trained tokens; "
                + "give a document that long a row of its own.");
        }
        return isPacked ? family.ForLength(trained) : ForText(family, row, Math.Max(0, first), length);
    }

    private static PositionEncoding ForText(PositionEncoding family, int row, long before, long after)
    {
        var own = family.ForLength(after);
        return before == 0 || family.ForLength(before) == own
            ? own
            : throw new StateBorderException(
                $"The carried state holds {before} tokens of row {row}, encoded as a text of {before}, and with this call the text has {after}, at which the angles of {family} are others; "
                + "a state has no tokens to read again, so start a new state and give it the whole text in one call.");
    }
}

/// <summary>A carried state cannot be gone on with: the angles of what it holds depend on a length that the text outgrows. Whoever has the
/// tokens starts a new state and gives it the whole text.</summary>
internal sealed class StateBorderException(string message) : NotSupportedException(message);

/// <summary>An encoding of its own for each row of a batch.</summary>
internal sealed class RowEncodings(PositionEncoding[] rows) : PositionEncoding
{
    /// <summary>The encoding of a row.</summary>
    internal PositionEncoding OfRow(long row) => rows[row];

    /// <inheritdoc/>
    public override bool TurnsKeys => rows[0].TurnsKeys;

    /// <inheritdoc/>
    public override bool IsBiasFree => rows[0].IsBiasFree;

    /// <inheritdoc/>
    public override bool IsRelative => rows[0].IsRelative;

    /// <inheritdoc/>
    public override void CheckHeads(long headCount)
    {
        foreach (var row in rows)
            row.CheckHeads(headCount);
    }

    /// <inheritdoc/>
    public override Tensor EncodeQueries(Tensor queries, Tensor positions) => Each(queries, positions, (row, x, at) => row.EncodeQueries(x, at));

    /// <inheritdoc/>
    public override Tensor EncodeKeys(Tensor keys, Tensor positions) => Each(keys, positions, (row, x, at) => row.EncodeKeys(x, at));

    /// <inheritdoc/>
    public override Tensor DecodeKeys(Tensor keys, Tensor positions) => Each(keys, positions, (row, x, at) => row.DecodeKeys(x, at));

    /// <inheritdoc/>
    public override Tensor? Bias(Tensor distances, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var biases = rows.Select((row, index) => row.Bias(distances.narrow(0, Math.Min(index, distances.size(0) - 1), 1), dtype)).ToArray();
        return Array.Exists(biases, bias => bias is null) ? null : cat([.. biases.Select(bias => bias!)], 0).MoveToOuterDisposeScope();
    }

    private Tensor Each(Tensor x, Tensor positions, Func<PositionEncoding, Tensor, Tensor, Tensor> encode)
    {
        if (x.size(0) != rows.Length)
            throw new ArgumentException($"The call has {rows.Length} rows, each with an encoding of its own; got {x.size(0)}.", nameof(x));
        using var scope = NewDisposeScope();
        var encoded = rows.Select((row, index) => encode(row, x.narrow(0, index, 1), positions.narrow(0, Math.Min(index, positions.size(0) - 1), 1)));
        return cat([.. encoded], 0).MoveToOuterDisposeScope();
    }
}
