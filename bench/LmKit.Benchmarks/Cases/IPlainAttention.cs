using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>Attention of a whole sequence from library operations, with what does not change made once.</summary>
internal interface IPlainAttention : IDisposable
{
    /// <summary>(B, H, L, P) of queries, keys and values of that shape.</summary>
    Tensor Attend(Tensor q, Tensor k, Tensor v);
}
