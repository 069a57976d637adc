using static TorchSharp.torch;

namespace LmKit;

/// <summary>What the rows of an H3 call begin or end with.</summary>
/// <param name="Recent">The last N keys per channel, newest first: (B, D, N).</param>
/// <param name="Diagonal">The diagonal state of key channel i and value channel j: (B, hd, hd, H, n, 2).</param>
internal sealed record H3Carry(Tensor Recent, Tensor Diagonal)
{
    /// <summary>The rows that a group's documents begin with: their row's state where they go on, zero where they start.</summary>
    internal H3Carry Select(DocumentGroup group)
    {
        var rows = tensor(group.Rows.ToArray(), device: Recent.device);
        var goesOn = tensor(group.Continues.ToArray(), device: Recent.device).to(Recent.dtype);
        return new(
            Recent.index_select(0, rows) * goesOn.view(-1, 1, 1),
            Diagonal.index_select(0, rows) * goesOn.view(-1, 1, 1, 1, 1, 1));
    }

    /// <summary>The rows with those replaced that end in a group's documents.</summary>
    internal H3Carry Replace(DocumentGroup group, H3Carry ends)
    {
        var last = Enumerable.Range(0, (int)group.Count).Where(member => group.EndsRow[member]).ToArray();
        if (last.Length == 0)
            return this;
        var members = tensor(last.Select(member => (long)member).ToArray(), device: Recent.device);
        var rows = tensor(last.Select(member => group.Rows[member]).ToArray(), device: Recent.device);
        return new(
            Recent.index_copy(0, rows, ends.Recent.index_select(0, members)),
            Diagonal.index_copy(0, rows, ends.Diagonal.index_select(0, members)));
    }
}
