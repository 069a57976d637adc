using static TorchSharp.torch;

namespace LmKit;

internal sealed class SplitRowsLayout(long[] sizes) : LayoutStep
{
    public override Tensor[] ToOurs(Tensor[] published, int count)
    {
        var rows = published[0].size(0);
        var parts = sizes.Length > 0 ? sizes : [.. Enumerable.Repeat(rows / count, count)];
        if (parts.Length != count || parts.Sum() != rows)
        {
            throw new ArgumentException($"A tensor of {rows} rows cannot be split into {count} parts of [{string.Join(", ", parts)}] rows; correct the key map's sizes.");
        }
        return published[0].split(parts, 0);
    }

    public override Tensor[] ToPublished(Tensor[] ours, int count) => [cat(ours, 0)];
}
