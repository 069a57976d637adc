using static TorchSharp.torch;

namespace LmKit;

/// <summary>Where each row of a batch stands: the id of its last document and how many valid tokens of it came so far.</summary>
/// <remarks>Lives on the host, inside a mixer's state. Not thread-safe.</remarks>
public sealed class DocumentCursor
{
    private readonly long[] documents;
    private readonly long[] counts;

    /// <summary>Rows at the start of document 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number of rows is negative, or above 2^24.</exception>
    public DocumentCursor(long batch)
        : this(new long[Checked(batch)], new long[batch], true)
    {
    }

    private DocumentCursor(long[] documents, long[] counts, bool isUniform)
    {
        this.documents = documents;
        this.counts = counts;
        IsUniform = isUniform;
    }

    /// <summary>Number of rows.</summary>
    public long Batch => documents.Length;

    /// <summary>Whether every row so far was one document, without padding, of one length.</summary>
    public bool IsUniform { get; private set; }

    /// <summary>The id of each row's last document.</summary>
    public ReadOnlySpan<long> Documents => documents;

    /// <summary>How many valid tokens of each row's last document came so far.</summary>
    public ReadOnlySpan<long> Counts => counts;

    /// <summary>Copies all rows.</summary>
    internal DocumentCursor Copy() => new([.. documents], [.. counts], IsUniform);

    /// <summary>The row indices of a fork on the host, checked.</summary>
    /// <param name="rows">(B') int64, each from 0 to <see cref="Batch"/> less 1.</param>
    /// <param name="owner">Whose state is forked, for the error.</param>
    /// <exception cref="ArgumentException">They are something else.</exception>
    internal long[] ReadRows(Tensor rows, string owner)
    {
        new TensorCheck($"Fork of {owner}").Integers(rows, nameof(rows), "N");
        var chosen = HostValues.Read(rows);
        foreach (var row in chosen)
        {
            if (row < 0 || row >= Batch)
                throw new ArgumentOutOfRangeException(nameof(rows), row, $"A state of {owner} has the rows 0 to {Batch - 1}.");
        }
        return chosen;
    }

    private static long Checked(long batch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(batch);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(batch, 1L << 24);
        return batch;
    }

    /// <summary>Copies the given rows.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A row is not one of this cursor's.</exception>
    public DocumentCursor Fork(ReadOnlySpan<long> rows)
    {
        foreach (var row in rows)
        {
            if (row < 0 || row >= Batch)
                throw new ArgumentOutOfRangeException(nameof(rows), row, $"The rows are 0 to {Batch - 1}.");
        }
        var (forkedDocuments, forkedCounts) = (new long[rows.Length], new long[rows.Length]);
        for (var index = 0; index < rows.Length; index++)
        {
            forkedDocuments[index] = documents[rows[index]];
            forkedCounts[index] = counts[rows[index]];
        }
        return new DocumentCursor(forkedDocuments, forkedCounts, IsUniform);
    }

    /// <summary>All it holds as numbers, for saving: per row the document and the count, then 1 for uniform.</summary>
    public long[] ToArray() => [.. documents, .. counts, IsUniform ? 1 : 0];

    /// <summary>Rebuilds a cursor from <see cref="ToArray"/>.</summary>
    /// <exception cref="ArgumentException">The numbers are not those of a cursor of <paramref name="batch"/> rows.</exception>
    public static DocumentCursor FromArray(ReadOnlySpan<long> numbers, long batch)
    {
        if (numbers.Length != 2 * batch + 1)
            throw new ArgumentException($"A cursor of {batch} rows has {2 * batch + 1} numbers; got {numbers.Length}.", nameof(numbers));
        var rows = (int)batch;
        var documents = numbers[..rows];
        var counts = numbers[rows..(2 * rows)];
        var isUniform = numbers[^1];
        foreach (var number in numbers)
            ArgumentOutOfRangeException.ThrowIfNegative(number, "A document or a count of tokens in a saved cursor");
        if (isUniform > 1 || (isUniform == 1 && rows > 0 && (documents.ContainsAnyExcept(0) || counts.ContainsAnyExcept(counts[0]))))
            throw new ArgumentException("A saved cursor says that all rows stand alike, which its numbers do not.", nameof(numbers));
        return new DocumentCursor(documents.ToArray(), counts.ToArray(), isUniform == 1);
    }

    /// <summary>Takes one token of a row and returns its position in its document, or -1 for padding.</summary>
    internal long Advance(long row, long document)
    {
        if (document < 0)
            return -1;
        if (document != documents[row])
        {
            documents[row] = document;
            counts[row] = 0;
        }
        return counts[row]++;
    }

    internal void AdvanceAll(long length)
    {
        for (var row = 0; row < counts.Length; row++)
            counts[row] += length;
    }

    internal void MarkRagged() => IsUniform = false;
}

/// <summary>A state that knows where its rows stand.</summary>
internal interface ICursorState
{
    /// <summary>Where the rows stand; a call replaces it by a moved copy.</summary>
    DocumentCursor Cursor { get; set; }
}
