using static TorchSharp.torch;

namespace LmKit;

/// <summary>A storage of a PyTorch file: values in one row, over which tensors lie.</summary>
/// <param name="Values">The values (N).</param>
internal sealed record PickleStorage(Tensor Values);
