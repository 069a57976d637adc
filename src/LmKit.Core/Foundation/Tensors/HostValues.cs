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

/// <summary>Visits the memory of a contiguous CPU tensor in pieces that a span can hold.</summary>
internal static class TensorBytes
{
    private const long PieceLength = 1 << 28;

    /// <summary>Takes one piece: where it starts in the tensor, in bytes, and its memory.</summary>
    internal delegate void Visitor(long start, Span<byte> bytes);

    /// <summary>Calls <paramref name="visit"/> for every piece in order.</summary>
    internal static void Visit(Tensor tensor, Visitor visit)
    {
        using var scope = NewDisposeScope();
        var size = (int)tensor.element_size();
        var count = tensor.numel();
        var flat = tensor.detach().reshape(count);
        for (long start = 0; start < count; start += PieceLength / size)
        {
            using var piece = flat.narrow(0, start, Math.Min(PieceLength / size, count - start));
            visit(start * size, piece.bytes);
        }
    }
}
