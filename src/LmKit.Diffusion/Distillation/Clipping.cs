using static TorchSharp.torch;

namespace LmKit;

/// <summary>Clips to a bound of any size.</summary>
internal static class Clipping
{
    /// <summary>Values in [-bound, bound]; a bound that the values' type cannot hold clips nothing.</summary>
    internal static Tensor Clip(Tensor values, double bound)
    {
        var held = bound > float.MaxValue && values.dtype != ScalarType.Float64 ? double.PositiveInfinity : bound;
        return values.clamp(-held, held);
    }
}
