using static TorchSharp.torch;

namespace LmKit;

internal sealed class DerivedLayout(Func<Tensor> make) : LayoutStep
{
    public override Tensor[] ToOurs(Tensor[] published, int count) => [];

    public override Tensor[] ToPublished(Tensor[] ours, int count) => [make()];
}
