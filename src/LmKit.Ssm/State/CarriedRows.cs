using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Picks and puts back the rows of carried tensors, whose first axis is the batch.</summary>
internal static class CarriedRows
{
    /// <summary>The rows that a group's documents begin with: their row's state where they go on, zero where they start.</summary>
    internal static Tensor[] Select(Tensor[] parts, DocumentGroup group) => [.. parts.Select(part =>
    {
        var rows = tensor(group.Rows.ToArray(), device: part.device);
        var goesOn = tensor(group.Continues.ToArray(), device: part.device).to(part.dtype);
        return part.index_select(0, rows) * goesOn.view([-1, .. Enumerable.Repeat(1L, (int)part.dim() - 1)]);
    })];

    /// <summary>The rows with those replaced that end in a group's documents.</summary>
    internal static Tensor[] Replace(Tensor[] parts, DocumentGroup group, Tensor[] ends)
    {
        var last = Enumerable.Range(0, (int)group.Count).Where(member => group.EndsRow[member]).ToArray();
        if (last.Length == 0)
            return parts;
        var members = tensor(last.Select(member => (long)member).ToArray(), device: parts[0].device);
        var rows = tensor(last.Select(member => group.Rows[member]).ToArray(), device: parts[0].device);
        return [.. parts.Zip(ends, (part, end) => part.index_copy(0, rows, end.index_select(0, members)))];
    }

    /// <summary>The last columns of a history at each row's end, the newest last.</summary>
    /// <param name="history">(B, D, T + L): T columns from before, then the new ones.</param>
    /// <param name="count">Columns wanted, at most T.</param>
    /// <param name="length">New columns L.</param>
    /// <param name="lengths">How many new columns of each row count; null for all.</param>
    /// <returns>(B, D, count).</returns>
    internal static Tensor Latest(Tensor history, long count, long length, IReadOnlyList<long>? lengths)
    {
        var (batch, width, total) = (history.size(0), history.size(1), history.size(2));
        if (lengths is null)
            return history.narrow(2, total - count, count).clone(); // a view would keep all of it
        var ends = tensor(lengths.ToArray(), [batch, 1], device: history.device) + (total - length); // (B, 1), in columns of history
        var places = ends - count + arange(count, dtype: ScalarType.Int64, device: history.device);  // (B, count)
        return history.gather(2, places.unsqueeze(1).expand(batch, width, count));
    }
}

/// <summary>Clears what stands behind each row's end.</summary>
internal static class TrimmedRows
{
    /// <summary>x with zeros from each row's length on.</summary>
    /// <param name="x">(B, L, ...).</param>
    /// <param name="lengths">How many columns of each row count; null for all.</param>
    internal static Tensor Clear(Tensor x, IReadOnlyList<long>? lengths)
    {
        if (lengths is null)
            return x;
        var ends = tensor(lengths.ToArray(), [lengths.Count, 1], device: x.device);
        var behind = arange(x.size(1), dtype: ScalarType.Int64, device: x.device).ge(ends); // (B, L)
        return x.masked_fill(behind.view([.. behind.shape, .. Enumerable.Repeat(1L, (int)x.dim() - 2)]), 0);
    }
}
