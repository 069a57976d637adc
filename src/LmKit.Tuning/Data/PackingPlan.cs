namespace LmKit;

/// <summary>Which pieces share a row.</summary>
/// <param name="Pieces">The pieces, in the documents' order; empty documents have none.</param>
/// <param name="Rows">For each row the indices of its pieces, in the order of placing.</param>
/// <param name="Capacity">Tokens of a row.</param>
public sealed record PackingPlan(IReadOnlyList<PackedPiece> Pieces, IReadOnlyList<IReadOnlyList<int>> Rows, int Capacity)
{
    /// <summary>The share of the rows' tokens that is no padding.</summary>
    public double Fill => Rows.Count == 0 ? 1 : Pieces.Sum(piece => (double)piece.Length) / ((double)Rows.Count * Capacity);
}
