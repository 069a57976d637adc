using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>A linear over two given block-diagonal factors of any fitting shapes.</summary>
internal sealed class FixedMonarch : nn.Module<Tensor, Tensor>, ILinear
{
    private readonly TorchSharp.Modules.Parameter first;
    private readonly TorchSharp.Modules.Parameter second;

    internal FixedMonarch(Tensor first, Tensor second)
        : base(nameof(FixedMonarch))
    {
        this.first = new(first);
        this.second = new(second);
        RegisterComponents();
    }

    public long InFeatures => first.size(0) * first.size(2);

    public long OutFeatures => second.size(0) * second.size(1);

    public Tensor ToDense()
    {
        using var frozen = no_grad();
        return MonarchMultiply.ToDense(first, second);
    }

    public override Tensor forward(Tensor x) => MonarchMultiply.Apply(x, first, second);
}
