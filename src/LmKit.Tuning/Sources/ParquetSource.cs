using System.Runtime.CompilerServices;
using System.Text;
using Parquet;
using Parquet.Schema;

namespace LmKit;

/// <summary>Documents of a column of Parquet files, one row group in memory at a time.</summary>
/// <param name="paths">The files.</param>
/// <param name="column">The column of strings that holds the text.</param>
/// <param name="idColumn">The column of strings that names the documents, or null.</param>
/// <exception cref="DatasetException">A file is not there; while reading, a file is no Parquet file or lacks a column.</exception>
public sealed class ParquetSource(IReadOnlyList<string> paths, string column = "text", string? idColumn = null) : FileDocumentSource(paths)
{
    private protected override async IAsyncEnumerable<(string? Id, string? Text)> ReadAsync(string path, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var file = File.OpenRead(path);
        var reader = await OpenAsync(path, file, cancellation).ConfigureAwait(false);
        await using var closing = reader.ConfigureAwait(false);
        var text = Field(reader, path, column);
        var id = idColumn is null ? null : Field(reader, path, idColumn);
        for (var group = 0; group < reader.RowGroupCount; group++)
        {
            using var rows = OpenGroup(path, reader, group);
            var texts = await StringsAsync(path, rows, text, cancellation).ConfigureAwait(false);
            var ids = id is null ? null : await StringsAsync(path, rows, id, cancellation).ConfigureAwait(false);
            for (var row = 0; row < texts.Length; row++)
            {
                var content = texts[row] ?? "";
                yield return (ids?[row], Encoding.UTF8.GetByteCount(content) > MaxDocumentBytes ? null : content);
            }
        }
    }

    private static async Task<ParquetReader> OpenAsync(string path, Stream file, CancellationToken cancellation)
    {
        try
        {
            return await ParquetReader.CreateAsync(file, cancellationToken: cancellation).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            throw new DatasetException(path, $"the file is no Parquet file that can be read: {error.Message}", error);
        }
    }

    private static ParquetRowGroupReader OpenGroup(string path, ParquetReader reader, int group)
    {
        try
        {
            return reader.OpenRowGroupReader(group);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            throw new DatasetException(path, $"row group {group} cannot be read: {error.Message}", error);
        }
    }

    private static DataField Field(ParquetReader reader, string path, string name)
    {
        var fields = reader.Schema.GetDataFields();
        var field = Array.Find(fields, field => field.Name == name) ?? throw new DatasetException(path, $"there is no column '{name}'; there are {string.Join(", ", fields.Select(field => field.Name))}.");
        return (field.ClrType == typeof(string) || field.ClrType == typeof(ReadOnlyMemory<char>)) && !field.IsArray ? field : throw new DatasetException(path, $"the column '{name}' holds {field.ClrType.Name}; strings are needed.");
    }

    private static async Task<string?[]> StringsAsync(string path, ParquetRowGroupReader rows, DataField field, CancellationToken cancellation)
    {
        try
        {
            var values = new string?[rows.RowCount]; // what a damaged file claims may be negative, or beyond all memory
            await rows.ReadAsync(field, values.AsMemory()!, null, cancellation).ConfigureAwait(false);
            return values;
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            throw new DatasetException(path, $"the column '{field.Name}' cannot be read: {error.Message}", error);
        }
    }
}
