using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace LmKit;

/// <summary>What a running softmax does with whole vectors: the largest lane, and e^x of numbers that are not above 0 by more than rounding.</summary>
internal static class SoftmaxLanes
{
    // Below this e^x has no normal float32.
    private const float Lowest = -87.3f;

    private const float Log2E = 1.44269504f;

    // ln 2 in two parts, whose first one times a small whole number is exact.
    private const float HighLn2 = 0.693359375f;
    private const float LowLn2 = -2.12194440e-4f;

    // Added to a small number, it leaves that number's nearest integer, with 127 more, in the lowest bits.
    private const float Shift = 12_582_912 + 127;

    /// <summary>The largest lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Largest<V>(V x)
        where V : struct
    {
        if (typeof(V) == typeof(Vector512<float>))
        {
            var all = Unsafe.BitCast<V, Vector512<float>>(x);
            return Largest(Vector256.MaxNative(all.GetLower(), all.GetUpper()));
        }
        return typeof(V) == typeof(Vector256<float>) ? Largest(Unsafe.BitCast<V, Vector256<float>>(x)) : Largest(Unsafe.BitCast<V, Vector128<float>>(x));
    }

    /// <summary>e^x within 2 units in the last place; 0 for x below -87.3, NaN for NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Exp<V, T>(V x)
        where V : struct
        where T : struct, ILanes<V>
    {
        var shifted = T.MultiplyAdd(x, T.Broadcast(Log2E), T.Broadcast(Shift));
        var whole = T.Subtract(shifted, T.Broadcast(Shift));
        var rest = T.MultiplyAdd(whole, T.Broadcast(-HighLn2), x);
        rest = T.MultiplyAdd(whole, T.Broadcast(-LowLn2), rest);
        // Minimax polynomial of e^r on |r| <= ln 2 / 2 (Moshier's Cephes, expf).
        var sum = T.MultiplyAdd(T.Broadcast(1.9875691500e-4f), rest, T.Broadcast(1.3981999507e-3f));
        sum = T.MultiplyAdd(sum, rest, T.Broadcast(8.3334519073e-3f));
        sum = T.MultiplyAdd(sum, rest, T.Broadcast(4.1665795894e-2f));
        sum = T.MultiplyAdd(sum, rest, T.Broadcast(1.6666665459e-1f));
        sum = T.MultiplyAdd(sum, rest, T.Broadcast(5.0000001201e-1f));
        sum = T.MultiplyAdd(sum, T.Multiply(rest, rest), T.Add(rest, T.Broadcast(1)));
        if (typeof(V) == typeof(Vector512<float>))
        {
            var power = (Unsafe.BitCast<V, Vector512<int>>(shifted) << 23).AsSingle();
            var is0 = Vector512.LessThan(Unsafe.BitCast<V, Vector512<float>>(x), Vector512.Create(Lowest));
            return Unsafe.BitCast<Vector512<float>, V>(Vector512.ConditionalSelect(is0, Vector512<float>.Zero, Unsafe.BitCast<V, Vector512<float>>(sum) * power));
        }
        if (typeof(V) == typeof(Vector256<float>))
        {
            var power = (Unsafe.BitCast<V, Vector256<int>>(shifted) << 23).AsSingle();
            var is0 = Vector256.LessThan(Unsafe.BitCast<V, Vector256<float>>(x), Vector256.Create(Lowest));
            return Unsafe.BitCast<Vector256<float>, V>(Vector256.ConditionalSelect(is0, Vector256<float>.Zero, Unsafe.BitCast<V, Vector256<float>>(sum) * power));
        }
        var last = (Unsafe.BitCast<V, Vector128<int>>(shifted) << 23).AsSingle();
        var isLow = Vector128.LessThan(Unsafe.BitCast<V, Vector128<float>>(x), Vector128.Create(Lowest));
        return Unsafe.BitCast<Vector128<float>, V>(Vector128.ConditionalSelect(isLow, Vector128<float>.Zero, Unsafe.BitCast<V, Vector128<float>>(sum) * last));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Largest(Vector256<float> x) => Largest(Vector128.MaxNative(x.GetLower(), x.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Largest(Vector128<float> x)
    {
        x = Vector128.MaxNative(x, Vector128.Shuffle(x, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(x, Vector128.Shuffle(x, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }
}
