using static TorchSharp.torch;

namespace LmKit;

internal sealed class SameLayout : LayoutStep
{
    public override Tensor[] ToOurs(Tensor[] published, int count) => [.. published.Select(tensor => tensor.alias())];

    public override Tensor[] ToPublished(Tensor[] ours, int count) => ToOurs(ours, count);
}
