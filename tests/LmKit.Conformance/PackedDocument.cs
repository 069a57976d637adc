using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>The columns of one document in one row of a batch.</summary>
/// <param name="Row">The row.</param>
/// <param name="Id">The document's id.</param>
/// <param name="Columns">Its columns, ascending; padding may lie between them.</param>
internal sealed record PackedDocument(long Row, long Id, long[] Columns)
{
    /// <summary>Its part of (B, L, ...), as (1, its length, ...).</summary>
    internal Tensor Of(Tensor batch) => batch.narrow(0, Row, 1).index_select(1, tensor(Columns));

    public override string ToString() => $"row {Row}, document {Id} at columns {string.Join(",", Columns)}";
}
