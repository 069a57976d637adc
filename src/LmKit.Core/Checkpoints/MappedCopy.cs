using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A tensor where a file holds it: memory of the mapped file, to be read in place while the file is open.</summary>
/// <param name="Entry">Its name, type and shape.</param>
/// <param name="File">The file.</param>
/// <param name="Address">Where its first value lies; it need not be aligned.</param>
/// <param name="Strides">Steps of its axes, in values; null where it lies row after row.</param>
internal sealed record StoredTensor(SafetensorsEntry Entry, string File, nint Address, long[]? Strides = null)
{
    /// <summary>A tensor over the file's memory; the caller disposes it before the file.</summary>
    internal Tensor View()
    {
        long[] shape = [.. Entry.Shape];
        if (Strides is null || shape.Contains(0))
            return TensorAddress.View(Address, Entry.ScalarType, shape);
        using var all = TensorAddress.View(Address, Entry.ScalarType, [1 + shape.Zip(Strides, (size, stride) => (size - 1) * stride).Sum()]);
        return all.as_strided(shape, Strides);
    }
}

/// <summary>Copies values from a mapped file's memory into a tensor that is there, in pieces, converting their type on the way.</summary>
/// <remarks>No second copy of the values is made: beside the target there is at most one piece, and only where values are not aligned.</remarks>
internal static unsafe class MappedCopy
{
    private const long PieceLength = 4 << 20;

    /// <summary>Copies.</summary>
    /// <param name="source">A view of the file's memory, with any strides.</param>
    /// <param name="target">A tensor of the same shape, of any type, on any device.</param>
    /// <returns>Whether all numbers that the target got are finite.</returns>
    internal static bool Into(Tensor source, Tensor target)
    {
        if (!source.shape.AsSpan().SequenceEqual(target.shape))
            throw new ArgumentException($"({string.Join(", ", source.shape)}) cannot be copied into ({string.Join(", ", target.shape)}).", nameof(target));
        if (source.numel() == 0)
            return true;
        if (target.device_type == DeviceType.CPU
            && MappedKernel.Copy(TensorAddress.Of(source), source.dtype, source.stride(), TensorAddress.Of(target), target.dtype, target.stride(), target.shape) is { } areFinite)
        {
            ParameterVersion.Move(target);
            return areFinite;
        }
        using var scope = NewDisposeScope();
        using var unrecorded = no_grad();
        var whole = target.detach();
        var isFinite = true;
        Pieces(source, (piece, takePart) =>
        {
            var part = takePart(whole);
            _ = part.copy_(piece);
            if (isFinite && (part.is_contiguous() || part.device_type != DeviceType.CPU))
                isFinite = FiniteNumbers.All(part);
            return part.is_contiguous() || part.device_type != DeviceType.CPU;
        }, out var areChecked);
        return isFinite && (areChecked || FiniteNumbers.All(target));
    }

    /// <summary>Whether two views hold equal numbers.</summary>
    internal static bool AreEqual(Tensor first, Tensor second)
    {
        if (!first.shape.AsSpan().SequenceEqual(second.shape))
            return false;
        if (first.numel() == 0 || (TensorAddress.Of(first) == TensorAddress.Of(second) && first.dtype == second.dtype && first.stride().AsSpan().SequenceEqual(second.stride())))
            return true;
        using var scope = NewDisposeScope();
        var areEqual = true;
        Pieces(first, (piece, takePart) =>
        {
            if (areEqual)
                areEqual = takePart(second).to(ScalarType.Float64).Equals(piece.to(ScalarType.Float64));
            return true;
        }, out _);
        return areEqual;
    }

    // Along the axis that the memory runs along slowest, so that a piece is a stretch of the file. A piece is aligned: where the file's values are
    // not, it is a copy.
    private static void Pieces(Tensor source, Func<Tensor, Func<Tensor, Tensor>, bool> visit, out bool all)
    {
        var (shape, strides, size) = (source.shape, source.stride(), source.element_size());
        var axis = 0;
        for (var other = 1; other < shape.Length; other++)
        {
            if (shape[axis] == 1 || (shape[other] > 1 && strides[other] > strides[axis]))
                axis = other;
        }
        if (shape.Length == 0)
        {
            using var one = source.reshape(1);
            Pieces(one, (piece, takePart) => visit(piece.reshape([]), target => takePart(target.reshape(1)).reshape([])), out all);
            return;
        }
        var inner = size * (1 + shape.Select((length, other) => other == axis ? 0 : (length - 1) * strides[other]).Sum());
        var step = strides[axis] * size;
        var count = step == 0 ? shape[axis] : Math.Clamp(1 + ((PieceLength - inner) / step), 1, shape[axis]);
        all = true;
        for (long start = 0; start < shape[axis]; start += count)
        {
            using var scope = NewDisposeScope();
            var (from, length) = (start, Math.Min(count, shape[axis] - start));
            var piece = source.narrow(axis, from, length);
            if (length == 1 && inner > PieceLength && shape.Length > 1)
            {
                Pieces(piece.select(axis, 0), (part, takePart) => visit(part, target => takePart(target.select(axis, from))), out var inside);
                all &= inside;
                continue;
            }
            all &= visit(TensorAddress.Of(piece) % size == 0 ? piece : Aligned(piece, ((length - 1) * step) + inner), target => target.narrow(axis, from, length));
        }
    }

    private static Tensor Aligned(Tensor piece, long length)
    {
        var copy = empty([length / piece.element_size()], piece.dtype);
        Buffer.MemoryCopy((void*)TensorAddress.Of(piece), (void*)TensorAddress.Of(copy), length, length);
        return copy.as_strided(piece.shape, piece.stride());
    }
}
