using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Shape checks at entry points, before any native call.</summary>
public static class Shapes
{
    /// <summary>Fails unless x holds real floating-point numbers and its last axis has the wanted width.</summary>
    /// <exception cref="ArgumentException">It has not; names the component and both shapes.</exception>
    /// <exception cref="ObjectDisposedException">x is disposed.</exception>
    public static void CheckWidth(Tensor x, long width, string component)
    {
        CheckNumbers(x, component);
        if (x.dim() == 0 || x.size(-1) != width)
            throw new ArgumentException($"{component} takes (..., {width}); got ({string.Join(", ", x.shape)}).", nameof(x));
    }

    /// <summary>Fails unless x is a batch of sequences (B, L, D) of real floating-point numbers and the wanted width.</summary>
    /// <inheritdoc cref="CheckWidth"/>
    public static void CheckSequence(Tensor x, long width, string component)
    {
        CheckNumbers(x, component);
        if (x.dim() != 3 || x.size(2) != width)
            throw new ArgumentException($"{component} takes (B, L, {width}); got ({string.Join(", ", x.shape)}).", nameof(x));
    }

    /// <summary>Fails unless x is an input (..., I) of a module: of its width, in the type of its weight and on its device.</summary>
    /// <inheritdoc cref="CheckWidth"/>
    internal static void CheckInput(Tensor x, Tensor weight, long width, string component)
    {
        ObjectDisposedException.ThrowIf(weight.IsInvalid, component);
        CheckWidth(x, width, component);
        CheckLike(x, weight, component);
    }

    /// <summary>Fails unless x has the type of a module's weight and lies on its device.</summary>
    /// <exception cref="ArgumentException">It has another type or device; names both.</exception>
    internal static void CheckLike(Tensor x, Tensor weight, string component)
    {
        if (x.dtype != weight.dtype)
            throw new ArgumentException($"{component} computes in {weight.dtype}; got {x.dtype}. Convert the input with to(), or the module.", nameof(x));
        if (x.device_type != weight.device_type || x.device_index != weight.device_index)
            throw new ArgumentException($"{component} lies on {weight.device}; got an input on {x.device}. Move the input with to(), or the module.", nameof(x));
    }

    /// <summary>Fails unless a tensor of these sizes can be made: none is negative, and there are at most 2^40 numbers.</summary>
    /// <exception cref="ArgumentOutOfRangeException">They cannot; names the argument and the sizes. Native code would end the process for some of them.</exception>
    internal static void CheckSize(ReadOnlySpan<long> shape, string name)
    {
        var (count, isBad) = (1.0, false);
        foreach (var size in shape)
        {
            isBad |= size < 0;
            count *= Math.Max(size, 1);
        }
        if (isBad || count > 1L << 40)
            throw new ArgumentOutOfRangeException(name, $"({string.Join(", ", shape.ToArray())})", "Sizes are 0 or more, and a tensor has at most 2^40 numbers.");
    }

    private static void CheckNumbers(Tensor x, string component)
    {
        TensorCheck.CheckValues(x, nameof(x), component);
        if (!TensorCheck.IsFloating(x.dtype))
            throw new ArgumentException($"{component} takes real floating-point numbers; got {x.dtype}.", nameof(x));
    }
}

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
