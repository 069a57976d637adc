using static TorchSharp.torch;

namespace LmKit;

internal sealed class PermuteRowsLayout : LayoutStep
{
    private readonly long[] order;
    private readonly long[] inverse;

    public PermuteRowsLayout(long[] order)
    {
        this.order = order;
        inverse = new long[order.Length];
        Array.Fill(inverse, -1);
        for (var i = 0; i < order.Length; i++)
        {
            if (order[i] < 0 || order[i] >= order.Length || inverse[order[i]] >= 0)
            {
                throw new ArgumentException($"The row order is no permutation: entry {i} is {order[i]}.", nameof(order));
            }
            inverse[order[i]] = i;
        }
    }

    public override Tensor[] ToOurs(Tensor[] published, int count) => [Select(published[0], order)];

    public override Tensor[] ToPublished(Tensor[] ours, int count) => [Select(ours[0], inverse)];

    private static Tensor Select(Tensor tensor, long[] rows)
    {
        if (tensor.size(0) != rows.Length)
        {
            throw new ArgumentException($"A tensor of {tensor.size(0)} rows cannot follow an order of {rows.Length} rows.");
        }
        using var index = TorchSharp.torch.tensor(rows, device: tensor.device);
        return tensor.index_select(0, index);
    }
}
