using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace LmKit;

/// <summary>Sixteen numbers in two registers (AVX2).</summary>
internal readonly unsafe struct Lanes256(Vector256<float> low, Vector256<float> high) : ILanes<Lanes256>
{
    private readonly Vector256<float> low = low;
    private readonly Vector256<float> high = high;

    public static Lanes256 Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(Vector256<float>.Zero, Vector256<float>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Load(float* source) => new(Vector256.Load(source), Vector256.Load(source + 8));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 LoadFirst(ushort* source) => new((Vector256.Load((uint*)source) << 16).AsSingle(), (Vector256.Load((uint*)source + 8) << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 LoadSecond(ushort* source)
    {
        var mask = Vector256.Create(0xFFFF0000u);
        return new((Vector256.Load((uint*)source) & mask).AsSingle(), (Vector256.Load((uint*)source + 8) & mask).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 MultiplyAdd(Lanes256 weights, float factor, Lanes256 sum)
    {
        var broadcast = Vector256.Create(factor);
        return new(Vector256.MultiplyAddEstimate(weights.low, broadcast, sum.low), Vector256.MultiplyAddEstimate(weights.high, broadcast, sum.high));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Add(Lanes256 left, Lanes256 right) => new(left.low + right.low, left.high + right.high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* target)
    {
        low.Store(target);
        high.Store(target + 8);
    }
}
