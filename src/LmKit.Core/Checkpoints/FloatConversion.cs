using System.Numerics;
using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Converts rows of floating-point numbers from one type to another, as libtorch does: to the nearest, ties to even; between two types that are not
/// float32 by way of it. The source need not be aligned.</summary>
/// <remarks>Optimised from the first call, since a model may be loaded only once.</remarks>
internal static unsafe class FloatConversion
{
    private const int Staged = 512; // numbers on their way between two other types

    /// <summary>Moves a row of numbers from one place to another, in the second's type.</summary>
    internal delegate void Move(byte* from, byte* to, long count);

    /// <summary>What moves numbers from one type to another; null for types that it does not know.</summary>
    internal static Move? Find(ScalarType from, ScalarType to)
    {
        if (from == to)
            return SafetensorsTypes.Size(from) switch { 2 => Two, 4 => Four, var size => (source, target, count) => Buffer.MemoryCopy(source, target, count * size, count * size) };
        if (from == ScalarType.Float32 || to == ScalarType.Float32)
            return from == ScalarType.Float32 ? FromSingle(to) : ToSingle(from);
        if (ToSingle(from) is not { } widen || FromSingle(to) is not { } narrow)
            return null;
        var (fromSize, toSize) = (SafetensorsTypes.Size(from), SafetensorsTypes.Size(to));
        return (source, target, count) =>
        {
            var between = stackalloc byte[Staged * sizeof(float)];
            for (var at = 0L; at < count; at += Staged)
            {
                var length = Math.Min(Staged, count - at);
                widen(source + (at * fromSize), between, length);
                narrow(between, target + (at * toSize), length);
            }
        };
    }

    private static Move? ToSingle(ScalarType from) => from switch
    {
        ScalarType.BFloat16 => WidenBFloat16,
        ScalarType.Float16 => WidenFloat16,
        ScalarType.Float64 => NarrowFloat64,
        _ => null,
    };

    private static Move? FromSingle(ScalarType to) => to switch
    {
        ScalarType.BFloat16 => NarrowToBFloat16,
        ScalarType.Float16 => NarrowToFloat16,
        ScalarType.Float64 => WidenToFloat64,
        _ => null,
    };

    private static void Two(byte* from, byte* to, long count) => Buffer.MemoryCopy(from, to, count * 2, count * 2);

    private static void Four(byte* from, byte* to, long count) => Buffer.MemoryCopy(from, to, count * 4, count * 4);

    // A bfloat16 number is the upper half of a float32.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenBFloat16(byte* from, byte* to, long count)
    {
        var source = (ushort*)from;
        var target = (uint*)to;
        var at = 0L;
        for (; at <= count - Vector<ushort>.Count; at += Vector<ushort>.Count)
        {
            Vector.Widen(Unsafe.ReadUnaligned<Vector<ushort>>(source + at), out var low, out var high);
            Unsafe.WriteUnaligned(target + at, low << 16);
            Unsafe.WriteUnaligned(target + at + Vector<uint>.Count, high << 16);
        }
        for (; at < count; at++)
            target[at] = (uint)Unsafe.ReadUnaligned<ushort>(source + at) << 16;
    }

    // Exponents move by 127 - 15; numbers below the smallest normal one are whole multiples of 2^-24.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenFloat16(byte* from, byte* to, long count)
    {
        var source = (ushort*)from;
        var target = (uint*)to;
        var at = 0L;
        for (; at <= count - Vector<ushort>.Count; at += Vector<ushort>.Count)
        {
            Vector.Widen(Unsafe.ReadUnaligned<Vector<ushort>>(source + at), out var low, out var high);
            Unsafe.WriteUnaligned(target + at, Widened(low));
            Unsafe.WriteUnaligned(target + at + Vector<uint>.Count, Widened(high));
        }
        for (; at < count; at++)
            target[at] = BitConverter.SingleToUInt32Bits((float)BitConverter.UInt16BitsToHalf(Unsafe.ReadUnaligned<ushort>(source + at)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<uint> Widened(Vector<uint> bits)
    {
        var value = bits & new Vector<uint>(0x7FFF);
        var small = Vector.ConvertToSingle(Vector.AsVectorInt32(value)) * new Vector<float>(1f / (1 << 24));
        var normal = (value << 13) + new Vector<uint>(112u << 23);
        var special = (value << 13) | new Vector<uint>(0x7F80_0000);
        var positive = Vector.ConditionalSelect(
            Vector.LessThan(value, new Vector<uint>(0x0400)),
            Vector.AsVectorUInt32(small),
            Vector.ConditionalSelect(Vector.LessThan(value, new Vector<uint>(0x7C00)), normal, special));
        return positive | ((bits & new Vector<uint>(0x8000)) << 16);
    }

    // To the nearest, ties to even; what is not a number stays none.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NarrowToBFloat16(byte* from, byte* to, long count)
    {
        var source = (uint*)from;
        var target = (ushort*)to;
        var at = 0L;
        for (; at <= count - Vector<ushort>.Count; at += Vector<ushort>.Count)
        {
            var (low, high) = (Unsafe.ReadUnaligned<Vector<uint>>(source + at), Unsafe.ReadUnaligned<Vector<uint>>(source + at + Vector<uint>.Count));
            Unsafe.WriteUnaligned(target + at, Vector.Narrow(Narrowed(low), Narrowed(high)));
        }
        for (; at < count; at++)
        {
            var bits = Unsafe.ReadUnaligned<uint>(source + at);
            target[at] = (bits & 0x7FFF_FFFF) > 0x7F80_0000 ? (ushort)0x7FC0 : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NarrowToFloat16(byte* from, byte* to, long count)
    {
        for (var at = 0L; at < count; at++)
            ((Half*)to)[at] = (Half)Unsafe.ReadUnaligned<float>((float*)from + at);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NarrowFloat64(byte* from, byte* to, long count)
    {
        for (var at = 0L; at < count; at++)
            ((float*)to)[at] = (float)Unsafe.ReadUnaligned<double>((double*)from + at);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenToFloat64(byte* from, byte* to, long count)
    {
        for (var at = 0L; at < count; at++)
            ((double*)to)[at] = Unsafe.ReadUnaligned<float>((float*)from + at);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<uint> Narrowed(Vector<uint> bits)
    {
        var rounded = (bits + new Vector<uint>(0x7FFF) + ((bits >> 16) & Vector<uint>.One)) >> 16;
        var isNumber = Vector.LessThanOrEqual(bits & new Vector<uint>(0x7FFF_FFFF), new Vector<uint>(0x7F80_0000));
        return Vector.ConditionalSelect(isNumber, rounded, new Vector<uint>(0x7FC0));
    }
}
