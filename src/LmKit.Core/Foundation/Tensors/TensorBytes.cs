using static TorchSharp.torch;

namespace LmKit;

/// <summary>Visits the memory of a contiguous CPU tensor in pieces that a span can hold.</summary>
internal static class TensorBytes
{
    private const long PieceLength = 1 << 28;

    /// <summary>Takes one piece: where it starts in the tensor, in bytes, and its memory.</summary>
    public delegate void Visitor(long start, Span<byte> bytes);

    /// <summary>Calls <paramref name="visit"/> for every piece in order.</summary>
    public static void Visit(Tensor tensor, Visitor visit)
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
