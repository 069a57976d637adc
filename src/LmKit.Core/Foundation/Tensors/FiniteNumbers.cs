using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Looks for NaN and infinities in memory, without temporaries: a number is finite unless its exponent is all ones.</summary>
internal static class FiniteNumbers
{
    private const long PieceLength = 1 << 20;

    /// <summary>Whether numbers of a type can be other than finite.</summary>
    internal static bool CanFail(ScalarType type) => TensorCheck.IsFloating(type);

    /// <summary>Whether all numbers of a tensor are finite; true for whole numbers and without values.</summary>
    internal static unsafe bool All(Tensor tensor)
    {
        if (!CanFail(tensor.dtype) || tensor.device_type == DeviceType.META || tensor.numel() == 0)
            return true;
        if (tensor.device_type != DeviceType.CPU || !tensor.is_contiguous())
        {
            using var scope = NewDisposeScope();
            return tensor.isfinite().all().item<bool>();
        }
        var start = (byte*)TensorAddress.Of(tensor);
        var type = tensor.dtype;
        var all = InPieces(tensor.numel() * tensor.element_size(), (at, length) => All(new ReadOnlySpan<byte>(start + at, length), type));
        GC.KeepAlive(tensor);
        return all;
    }

    /// <summary>Whether all numbers of a type in a piece of memory are finite.</summary>
    internal static bool All(ReadOnlySpan<byte> bytes, ScalarType type) => type switch
    {
        ScalarType.Float32 => All(MemoryMarshal.Cast<byte, uint>(bytes), 0x7F80_0000u),
        ScalarType.Float64 => All(MemoryMarshal.Cast<byte, ulong>(bytes), 0x7FF0_0000_0000_0000ul),
        ScalarType.BFloat16 => All(MemoryMarshal.Cast<byte, ushort>(bytes), (ushort)0x7F80),
        ScalarType.Float16 => All(MemoryMarshal.Cast<byte, ushort>(bytes), (ushort)0x7C00),
        _ => true,
    };

    /// <summary>Runs a check over pieces that fit the caches, on as many threads as libtorch has; whether all of them passed.</summary>
    /// <param name="length">Bytes.</param>
    /// <param name="check">Takes where a piece starts and its length.</param>
    internal static bool InPieces(long length, Func<long, int, bool> check)
    {
        var failed = 0;
        WorkerPool.Shared.Run(checked((int)((length + PieceLength - 1) / PieceLength)), piece =>
        {
            var start = piece * PieceLength;
            if (!check(start, (int)Math.Min(PieceLength, length - start)))
                Volatile.Write(ref failed, 1);
        });
        return failed == 0;
    }

    // Optimised from its first call, since a model may be loaded only once.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool All<T>(ReadOnlySpan<T> bits, T exponent)
        where T : unmanaged, IBinaryInteger<T>
    {
        var ones = new Vector<T>(exponent);
        var found = Vector<T>.Zero;
        var at = 0;
        for (; at <= bits.Length - Vector<T>.Count; at += Vector<T>.Count)
            found |= Vector.Equals(new Vector<T>(bits[at..]) & ones, ones);
        if (found != Vector<T>.Zero)
            return false;
        for (; at < bits.Length; at++)
        {
            if ((bits[at] & exponent) == exponent)
                return false;
        }
        return true;
    }
}
