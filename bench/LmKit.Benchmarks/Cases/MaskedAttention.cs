using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>The Lambda mask as a matrix of numbers to add, made once, in libtorch's fused attention.</summary>
internal sealed class MaskedAttention(long length, long window, long starts) : IPlainAttention
{
    private readonly Tensor mask = Mask(length, window, starts); // (L, L)

    public Tensor Attend(Tensor q, Tensor k, Tensor v) => nn.functional.scaled_dot_product_attention(q, k, v, mask);

    public void Dispose() => mask.Dispose();

    private static Tensor Mask(long length, long window, long starts)
    {
        using var scope = NewDisposeScope();
        var j = arange(length);
        var distance = j.unsqueeze(1) - j;
        return LambdaBand.Additive(distance.lt(window).logical_or(j.lt(starts)).logical_and(distance.ge(0))).DetachFromDisposeScope();
    }
}
