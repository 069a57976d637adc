using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>x / sqrt(mean(x^2) + eps) * weight over the last axis.</summary>
/// <remarks>The CPU form serves float32 without gradients, for as few rows as a step of generation has, where the library's five
/// operations cost more than the numbers. It equals the reference within 1e-6 of the largest entry.</remarks>
internal static partial class RootMeanSquare
{
    // Beyond it the library's threads are worth their start.
    private const long MostNumbers = 1 << 15;

    /// <summary>Normalises.</summary>
    /// <param name="x">(..., D).</param>
    /// <param name="weight">(D), of the same dtype or float32 where x is in half precision, on the same device.</param>
    /// <param name="epsilon">eps.</param>
    /// <param name="roundsBeforeWeight">Whether half precision is rounded before the weight multiplies instead of after it.</param>
    internal static Tensor Apply(Tensor x, Tensor weight, double epsilon, bool roundsBeforeWeight = false) =>
        IsServed(x, weight) ? Cpu(x, weight, epsilon) : Reference(x, weight, epsilon, roundsBeforeWeight);

    private static bool IsServed(Tensor x, Tensor weight) =>
        x.dtype == ScalarType.Float32
        && x.numel() is > 0 and <= MostNumbers
        && !RowsAlike.AreAsked
        && KernelSelection.Current == KernelChoice.Cpu
        && x.device_type == DeviceType.CPU
        && !(is_grad_enabled() && (x.requires_grad || weight.requires_grad));
}
