namespace LmKit;

/// <summary>A column of a Parquet file's schema.</summary>
/// <param name="Index">Its place among the columns.</param>
/// <param name="Path">Its names from the root, joined by dots.</param>
/// <param name="Name">Its own name.</param>
/// <param name="TypeName">What it holds, for messages.</param>
/// <param name="IsText">Whether it holds texts.</param>
/// <param name="IsRepeated">Whether a row has several values.</param>
/// <param name="MaxDefinition">The definition level of a value that is there.</param>
internal sealed record ParquetLeaf(int Index, string Path, string Name, string TypeName, bool IsText, bool IsRepeated, int MaxDefinition);
