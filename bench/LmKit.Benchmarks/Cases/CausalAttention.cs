using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>Every token sees all before it: libtorch's fused attention.</summary>
internal sealed class CausalAttention : IPlainAttention
{
    public Tensor Attend(Tensor q, Tensor k, Tensor v) => nn.functional.scaled_dot_product_attention(q, k, v, is_casual: true);

    public void Dispose()
    {
    }
}
