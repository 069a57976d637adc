using static TorchSharp.torch;

namespace LmKit;

/// <summary>An affine map on the last axis, dense or structured, from (..., I) to (..., O).</summary>
/// <remarks>Law: <c>call(x) = x ToDense()^T + call(0)</c>. Leading axes may be of any number, none included, and empty.
/// Safe for concurrent calls as long as its parameters do not change.</remarks>
public interface ILinear : nn.IModule<Tensor, Tensor>
{
    /// <summary>Width I of the input.</summary>
    long InFeatures { get; }

    /// <summary>Width O of the output.</summary>
    long OutFeatures { get; }

    /// <summary>The same map as a dense weight (O, I), without the bias; the caller disposes it.</summary>
    Tensor ToDense();
}
