using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What is summed, exponentiated or compared is computed in float32 or wider, whatever a model's dtype.</summary>
/// <remarks>bfloat16 counts no further than 256 and float16 ends at 65504, so losses, probabilities and norms take their numbers through
/// here first. float32 and float64 pass as they are, without a copy.</remarks>
internal static class HalfPrecision
{
    /// <summary>Whether a dtype is float16 or bfloat16.</summary>
    internal static bool Is(ScalarType dtype) => dtype is ScalarType.Float16 or ScalarType.BFloat16;

    /// <summary>The dtype to compute in: float32 for half precision, the same for anything else.</summary>
    internal static ScalarType Wide(ScalarType dtype) => Is(dtype) ? ScalarType.Float32 : dtype;

    /// <summary>The same numbers in float32 where they are in half precision; otherwise another handle of the tensor. Gradients come back in
    /// the tensor's own dtype.</summary>
    internal static Tensor Widen(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        return Is(x.dtype) ? x.to(ScalarType.Float32) : x.alias();
    }

    /// <summary>The same numbers in another dtype, or another handle of the tensor where it has that dtype already.</summary>
    internal static Tensor Narrow(Tensor x, ScalarType dtype) => x.dtype == dtype ? x.alias() : x.to(dtype);
}
