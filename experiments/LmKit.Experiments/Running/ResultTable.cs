namespace LmKit.Experiments;

/// <summary>A table of a report.</summary>
/// <param name="Caption">One line above it.</param>
/// <param name="Columns">Headings.</param>
/// <param name="Rows">Cells, as many in a row as there are headings.</param>
internal sealed record ResultTable(string Caption, IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<string>> Rows);
