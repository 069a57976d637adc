using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Which entries of a row or a batch are kept; among equal values the lower index wins.</summary>
/// <remarks>The CPU form serves float32 without NaN; both forms keep the same entries.</remarks>
internal static partial class FeatureSelection
{
    /// <summary>A mask of the k largest entries of each row.</summary>
    internal static Tensor Largest(Tensor values, long count)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        if (count >= values.size(-1))
            return ones_like(values, ScalarType.Bool).MoveToOuterDisposeScope();
        return ((IsServed(values, count) ? Cpu(values, (int)count) : null) ?? Reference(values, count)).MoveToOuterDisposeScope();
    }

    /// <summary>A mask of the n largest entries of a whole batch.</summary>
    internal static Tensor LargestOfAll(Tensor values, long count)
    {
        if (count <= 0)
            return zeros_like(values, ScalarType.Bool);
        using var scope = NewDisposeScope();
        return Largest(values.detach().reshape(1, values.numel()), count).reshape(values.shape).MoveToOuterDisposeScope();
    }

    private static bool IsServed(Tensor values, long count) =>
        KernelSelection.Current == KernelChoice.Cpu && values.dtype == ScalarType.Float32 && values.device_type == DeviceType.CPU
        && count > 0 && values.dim() > 0 && values.size(-1) <= int.MaxValue / 4;
}
