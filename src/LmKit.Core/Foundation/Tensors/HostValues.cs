using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Brings index tensors to the host.</summary>
public static class HostValues
{
    /// <exception cref="ArgumentException">They are not whole numbers, or lie on the meta device.</exception>
    /// <summary>The entries of an integer tensor, row after row; none for an empty one, which TorchSharp's accessor refuses.</summary>
    public static long[] Read(Tensor indices)
    {
        TensorCheck.CheckAlive(indices, nameof(indices), nameof(HostValues));
        if (indices.device_type == DeviceType.META || !(indices.is_integral() || indices.dtype == ScalarType.Bool))
            throw new ArgumentException($"Indices are whole numbers in memory; got {indices.dtype} ({string.Join(", ", indices.shape)}) on {indices.device}.", nameof(indices));
        if (indices.numel() == 0)
            return [];
        using var scope = NewDisposeScope();
        return indices.cpu().to(ScalarType.Int64).contiguous().data<long>().ToArray();
    }
}
