using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Brings index tensors to the host.</summary>
public static class HostValues
{
    /// <summary>The entries of an integer tensor, row after row; none for an empty one, which TorchSharp's accessor refuses.</summary>
    public static long[] Read(Tensor indices)
    {
        ArgumentNullException.ThrowIfNull(indices);
        if (indices.numel() == 0)
            return [];
        using var scope = NewDisposeScope();
        return indices.cpu().to(ScalarType.Int64).contiguous().data<long>().ToArray();
    }
}
