using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>Documents of a column of Parquet files, one page in memory at a time.</summary>
/// <remarks>Pages packed with SNAPPY, GZIP, BROTLI, ZSTD or LZ4_RAW are read. A file that claims far more than its bytes can hold is
/// refused before anything is allocated for it.</remarks>
/// <param name="paths">The files.</param>
/// <param name="column">The column of strings that holds the text: its name, or its names from the root joined by dots.</param>
/// <param name="idColumn">The column of strings that names the documents, or null.</param>
/// <exception cref="DatasetException">A file is not there; while reading, a file is no Parquet file, lacks a column or is damaged; names the row group and the column.</exception>
public sealed class ParquetSource(IReadOnlyList<string> paths, string column = "text", string? idColumn = null) : FileDocumentSource(paths)
{
    private const int LongestId = 1 << 16;

    private protected override async IAsyncEnumerable<(string? Id, string? Text)> ReadAsync(string path, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var file = OpenPlain(path);
        var budget = new ParquetBudget(file.Length);
        var footer = Try(path, "the file is no Parquet file that can be read", () => ParquetFooter.Read(file));
        ParquetLeaf[] leaves = idColumn is null ? [Find(footer, path, column)] : [Find(footer, path, column), Find(footer, path, idColumn)];
        var groups = Try(path, "the file is no Parquet file that can be read", () => footer.RowGroups(leaves));
        ParquetColumn[] columns = [.. leaves.Select(leaf => new ParquetColumn(file.SafeFileHandle, leaf, budget))];
        foreach (var (group, (rowCount, chunks)) in groups.Index())
        {
            await Task.Yield();
            var place = $"row group {group}, column '{StrictJson.Shown(leaves[0].Path)}'";
            _ = Try(path, place, () =>
            {
                budget.TakeRows(rowCount);
                return rowCount;
            });
            foreach (var (reader, chunk) in columns.Zip(chunks))
                reader.Begin(chunk);
            for (var row = 0L; row < rowCount; row++)
            {
                var (text, isTooLong) = Next(path, group, leaves[0], columns[0], MaxDocumentBytes);
                var id = columns.Length == 1 ? null : Next(path, group, leaves[1], columns[1], LongestId) is { IsTooLong: false } found
                    ? found.Text
                    : throw new DatasetException(path, $"row group {group}, column '{leaves[1].Path}', row {row}: the name has more than {LongestId} bytes.");
                yield return (id, isTooLong ? null : text ?? "");
            }
        }
    }

    private static (string? Text, bool IsTooLong) Next(string path, int group, ParquetLeaf leaf, ParquetColumn column, int longest)
    {
        try
        {
            return (column.Next(longest, out var isTooLong), isTooLong);
        }
        catch (Exception error) when (IsOfReading(error))
        {
            throw new DatasetException(path, $"row group {group}, column '{StrictJson.Shown(leaf.Path)}' cannot be read: {error.Message}.", error);
        }
    }

    private static ParquetLeaf Find(ParquetFooter footer, string path, string name)
    {
        var leaf = footer.Leaves.FirstOrDefault(leaf => leaf.Path == name) ?? footer.Leaves.FirstOrDefault(leaf => leaf.Name == name)
            ?? throw new DatasetException(path, $"there is no column '{name}'; there are {StrictJson.Shown(string.Join(", ", footer.Leaves.Take(50).Select(leaf => leaf.Name)))}.");
        return leaf is { IsText: true, IsRepeated: false }
            ? leaf
            : throw new DatasetException(path, $"the column '{name}' holds {(leaf.IsRepeated ? "lists of " : "")}{leaf.TypeName}; strings are needed.");
    }

    private static T Try<T>(string path, string what, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (IsOfReading(error))
        {
            throw new DatasetException(path, $"{what}: {error.Message}.", error);
        }
    }

    private static bool IsOfReading(Exception error) =>
        error is IOException or InvalidDataException or ArithmeticException or ArgumentException or IndexOutOfRangeException or NotSupportedException or OutOfMemoryException
            or ZstdSharp.ZstdException;
}
