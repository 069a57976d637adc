using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace LmKit;

/// <summary>Sixteen numbers in four registers (SSE, NEON), or in software where there are none.</summary>
internal readonly unsafe struct Lanes128(Vector128<float> first, Vector128<float> second, Vector128<float> third, Vector128<float> fourth) : ILanes<Lanes128>
{
    private readonly Vector128<float> first = first;
    private readonly Vector128<float> second = second;
    private readonly Vector128<float> third = third;
    private readonly Vector128<float> fourth = fourth;

    public static Lanes128 Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => default;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Load(float* source) =>
        new(Vector128.Load(source), Vector128.Load(source + 4), Vector128.Load(source + 8), Vector128.Load(source + 12));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 LoadFirst(ushort* source) =>
        new(First((uint*)source), First((uint*)source + 4), First((uint*)source + 8), First((uint*)source + 12));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 LoadSecond(ushort* source) =>
        new(Second((uint*)source), Second((uint*)source + 4), Second((uint*)source + 8), Second((uint*)source + 12));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 MultiplyAdd(Lanes128 weights, float factor, Lanes128 sum)
    {
        var broadcast = Vector128.Create(factor);
        return new(
            Vector128.MultiplyAddEstimate(weights.first, broadcast, sum.first),
            Vector128.MultiplyAddEstimate(weights.second, broadcast, sum.second),
            Vector128.MultiplyAddEstimate(weights.third, broadcast, sum.third),
            Vector128.MultiplyAddEstimate(weights.fourth, broadcast, sum.fourth));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Add(Lanes128 left, Lanes128 right) =>
        new(left.first + right.first, left.second + right.second, left.third + right.third, left.fourth + right.fourth);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* target)
    {
        first.Store(target);
        second.Store(target + 4);
        third.Store(target + 8);
        fourth.Store(target + 12);
    }

    private static Vector128<float> First(uint* pairs) => (Vector128.Load(pairs) << 16).AsSingle();

    private static Vector128<float> Second(uint* pairs) => (Vector128.Load(pairs) & Vector128.Create(0xFFFF0000u)).AsSingle();
}
