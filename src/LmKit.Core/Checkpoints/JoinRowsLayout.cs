using static TorchSharp.torch;

namespace LmKit;

internal sealed class JoinRowsLayout(SplitRowsLayout mirror) : LayoutStep
{
    public override Tensor[] ToOurs(Tensor[] published, int count) => mirror.ToPublished(published, count);

    public override Tensor[] ToPublished(Tensor[] ours, int count) => mirror.ToOurs(ours, count);
}
