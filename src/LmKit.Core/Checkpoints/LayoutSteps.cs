using static TorchSharp.torch;

namespace LmKit;

/// <summary>How the tensors of a key map's row change between the published layout and ours.</summary>
/// <remarks>
/// Only rearrangements: <see cref="ToPublished"/> undoes <see cref="ToOurs"/> exactly. Both return new tensors that the
/// caller disposes, and read the ones they are given without changing or keeping them.
/// </remarks>
public abstract class LayoutStep
{
    /// <summary>One tensor on each side, unchanged.</summary>
    public static LayoutStep Same { get; } = new SameLayout();

    /// <summary>One tensor on each side, the last two axes exchanged.</summary>
    public static LayoutStep Transpose { get; } = new TransposeLayout();

    /// <summary>One published tensor is ours side by side along axis 0; without <paramref name="sizes"/> all parts are equal.</summary>
    public static LayoutStep SplitRows(params long[] sizes) => new SplitRowsLayout(sizes);

    /// <summary>Several published tensors side by side along axis 0 are one of ours; <paramref name="sizes"/> are the published ones' rows.</summary>
    public static LayoutStep JoinRows(params long[] sizes) => new JoinRowsLayout(new SplitRowsLayout(sizes));

    /// <summary>One published tensor, transposed, is ours side by side: its columns in equal parts, each part transposed (GPT-2's c_attn).</summary>
    public static LayoutStep SplitColumns() => new SplitColumnsLayout();

    /// <summary>One published tensor whose rows are grouped by head is several of ours: the rows of head h are its share of each of ours in turn
    /// (query_key_value of GPT-NeoX and BLOOM).</summary>
    /// <param name="headCount">The heads.</param>
    public static LayoutStep SplitHeads(int headCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(headCount);
        return new SplitHeadsLayout(headCount);
    }

    /// <summary>Our row i is the published row <paramref name="order"/>[i].</summary>
    public static LayoutStep PermuteRows(params long[] order) => new PermuteRowsLayout(order);

    /// <summary>Makes our <paramref name="count"/> tensors from the published ones.</summary>
    public abstract Tensor[] ToOurs(Tensor[] published, int count);

    /// <summary>Makes the <paramref name="count"/> published tensors from ours.</summary>
    public abstract Tensor[] ToPublished(Tensor[] ours, int count);

    /// <summary>Brings published values into tensors of ours that are there.</summary>
    /// <param name="published">The published tensors.</param>
    /// <param name="ours">Ours.</param>
    /// <param name="copy">Copies into one of ours, or into a part of it; told which published tensor the values are of.</param>
    internal virtual void Stream(Tensor[] published, Tensor[] ours, Action<int, Tensor, Tensor> copy)
    {
        var made = ToOurs(published, ours.Length);
        for (var index = 0; index < ours.Length; index++)
            copy(Math.Min(index, published.Length - 1), made[index], ours[index]);
    }
}

internal sealed class SameLayout : LayoutStep
{
    public override Tensor[] ToOurs(Tensor[] published, int count) => [.. published.Select(tensor => tensor.alias())];

    public override Tensor[] ToPublished(Tensor[] ours, int count) => ToOurs(ours, count);
}

internal sealed class TransposeLayout : LayoutStep
{
    public override Tensor[] ToOurs(Tensor[] published, int count) => [.. published.Select(tensor => tensor.transpose(-1, -2))];

    public override Tensor[] ToPublished(Tensor[] ours, int count) => ToOurs(ours, count);
}

internal sealed class SplitRowsLayout(long[] sizes) : LayoutStep
{
    public override Tensor[] ToOurs(Tensor[] published, int count)
    {
        var rows = published[0].size(0);
        var parts = sizes.Length > 0 ? sizes : [.. Enumerable.Repeat(rows / count, count)];
        if (parts.Length != count || parts.Sum() != rows)
            throw new ArgumentException($"A tensor of {rows} rows cannot be split into {count} parts of [{string.Join(", ", parts)}] rows; correct the key map's sizes.");
        return published[0].split(parts, 0);
    }

    public override Tensor[] ToPublished(Tensor[] ours, int count) => [cat(ours, 0)];
}

internal sealed class JoinRowsLayout(SplitRowsLayout mirror) : LayoutStep
{
    public override Tensor[] ToOurs(Tensor[] published, int count) => mirror.ToPublished(published, count);

    public override Tensor[] ToPublished(Tensor[] ours, int count) => mirror.ToOurs(ours, count);

    internal override void Stream(Tensor[] published, Tensor[] ours, Action<int, Tensor, Tensor> copy)
    {
        var parts = mirror.ToOurs(ours, published.Length);
        for (var index = 0; index < published.Length; index++)
            copy(index, published[index], parts[index]);
    }
}

internal sealed class SplitColumnsLayout : LayoutStep
{
    public override Tensor[] ToOurs(Tensor[] published, int count)
    {
        var columns = published[0].size(-1);
        if (published[0].dim() != 2 || columns % count != 0)
            throw new ArgumentException($"A tensor ({string.Join(", ", published[0].shape)}) cannot be split into {count} equal parts of columns; correct the key map.");
        using var scope = NewDisposeScope();
        return [.. published[0].split(columns / count, 1).Select(part => part.transpose(0, 1).MoveToOuterDisposeScope())];
    }

    public override Tensor[] ToPublished(Tensor[] ours, int count)
    {
        using var scope = NewDisposeScope();
        return [cat([.. ours.Select(tensor => tensor.transpose(0, 1))], 1).MoveToOuterDisposeScope()];
    }
}

internal sealed class SplitHeadsLayout(int headCount) : LayoutStep
{
    public override Tensor[] ToOurs(Tensor[] published, int count)
    {
        var rows = published[0].size(0);
        if (rows % (headCount * (long)count) != 0)
            throw new ArgumentException($"A tensor of {rows} rows cannot be split into {count} parts of {headCount} heads each; correct the key map.");
        using var scope = NewDisposeScope();
        var tail = published[0].shape[1..];
        var grouped = published[0].view([headCount, count, rows / headCount / count, .. tail]); // (H, parts, P, ...)
        return [.. Enumerable.Range(0, count).Select(part => grouped.select(1, part).reshape([rows / count, .. tail]).MoveToOuterDisposeScope())];
    }

    public override Tensor[] ToPublished(Tensor[] ours, int count)
    {
        using var scope = NewDisposeScope();
        var rows = ours[0].size(0);
        var tail = ours[0].shape[1..];
        var grouped = stack([.. ours.Select(tensor => tensor.view([headCount, rows / headCount, .. tail]))], 1); // (H, parts, P, ...)
        return [grouped.reshape([rows * ours.Length, .. tail]).MoveToOuterDisposeScope()];
    }

    // Head by head, since the rows of one of ours are not a view of the published ones.
    internal override void Stream(Tensor[] published, Tensor[] ours, Action<int, Tensor, Tensor> copy)
    {
        for (var part = 0; part < ours.Length; part++)
        {
            long[] heads = [headCount, ours[part].size(0) / headCount, .. ours[part].shape[1..]];
            copy(0, published[0].view([headCount, ours.Length, .. heads[1..]]).select(1, part), ours[part].view(heads));
        }
    }
}

internal sealed class PermuteRowsLayout : LayoutStep
{
    private readonly long[] order;
    private readonly long[] inverse;

    internal PermuteRowsLayout(long[] order)
    {
        this.order = order;
        inverse = new long[order.Length];
        Array.Fill(inverse, -1);
        for (var i = 0; i < order.Length; i++)
        {
            if (order[i] < 0 || order[i] >= order.Length || inverse[order[i]] >= 0)
                throw new ArgumentException($"The row order is no permutation: entry {i} is {order[i]}.", nameof(order));
            inverse[order[i]] = i;
        }
    }

    public override Tensor[] ToOurs(Tensor[] published, int count) => [Select(published[0], order)];

    public override Tensor[] ToPublished(Tensor[] ours, int count) => [Select(ours[0], inverse)];

    private static Tensor Select(Tensor tensor, long[] rows)
    {
        if (tensor.size(0) != rows.Length)
            throw new ArgumentException($"A tensor of {tensor.size(0)} rows cannot follow an order of {rows.Length} rows.");
        using var index = TorchSharp.torch.tensor(rows, device: tensor.device);
        return tensor.index_select(0, index);
    }
}

internal sealed class DerivedLayout(Func<Tensor> make) : LayoutStep
{
    public override Tensor[] ToOurs(Tensor[] published, int count) => [];

    public override Tensor[] ToPublished(Tensor[] ours, int count) => [make()];
}
