using static TorchSharp.torch;

namespace LmKit;

internal sealed class TransposeLayout : LayoutStep
{
    public override Tensor[] ToOurs(Tensor[] published, int count) => [.. published.Select(tensor => tensor.transpose(-1, -2))];

    public override Tensor[] ToPublished(Tensor[] ours, int count) => ToOurs(ours, count);
}
