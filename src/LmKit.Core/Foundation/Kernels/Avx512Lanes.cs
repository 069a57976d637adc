using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace LmKit;

/// <summary>Sixteen lanes, for AVX-512.</summary>
public readonly unsafe struct Avx512Lanes : ILanes<Vector512<float>>
{
    /// <inheritdoc/>
    public static int Count => 16;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadFirst(ushort* pairs) => (Vector512.Load((uint*)pairs) << 16).AsSingle();

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadSecond(ushort* pairs) => (Vector512.Load((uint*)pairs) & Vector512.Create(0xFFFF0000u)).AsSingle();

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> value, float* target) => value.Store(target);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(float value) => Vector512.Create(value);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Subtract(Vector512<float> a, Vector512<float> b) => a - b;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.MultiplyAddEstimate(a, b, c);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> SubtractMultiplied(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.MultiplyAddEstimate(-a, b, c);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyComplex(Vector512<float> a, Vector512<float> b) =>
        Avx512F.FusedMultiplyAddSubtract(a, Avx512F.DuplicateEvenIndexed(b), Avx512F.Permute4x32(a, 0b10_11_00_01) * Avx512F.DuplicateOddIndexed(b));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Max(Vector512<float> a, Vector512<float> b) => Vector512.ConditionalSelect(Vector512.GreaterThan(a, b), a, b);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> a) => Vector512.Exp(a);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector512<float> a) => Vector512.Sum(a);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* matrix)
    {
        Interleave(matrix, out var a0, out var a1, out var a2, out var a3);
        Interleave(matrix + 64, out var b0, out var b1, out var b2, out var b3);
        Interleave(matrix + 128, out var c0, out var c1, out var c2, out var c3);
        Interleave(matrix + 192, out var d0, out var d1, out var d2, out var d3);
        Spread(a0, b0, c0, d0, matrix);
        Spread(a1, b1, c1, d1, matrix + 16);
        Spread(a2, b2, c2, d2, matrix + 32);
        Spread(a3, b3, c3, d3, matrix + 48);
    }

    // Four rows: result r holds column r of their 4 x 4 blocks, one block per quarter.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Interleave(float* rows, out Vector512<float> r0, out Vector512<float> r1, out Vector512<float> r2, out Vector512<float> r3)
    {
        var (a, b, c, d) = (Vector512.Load(rows), Vector512.Load(rows + 16), Vector512.Load(rows + 32), Vector512.Load(rows + 48));
        var (low, high) = (Avx512F.UnpackLow(a, b).AsDouble(), Avx512F.UnpackHigh(a, b).AsDouble());
        var (low2, high2) = (Avx512F.UnpackLow(c, d).AsDouble(), Avx512F.UnpackHigh(c, d).AsDouble());
        r0 = Avx512F.UnpackLow(low, low2).AsSingle();
        r1 = Avx512F.UnpackHigh(low, low2).AsSingle();
        r2 = Avx512F.UnpackLow(high, high2).AsSingle();
        r3 = Avx512F.UnpackHigh(high, high2).AsSingle();
    }

    // Quarter q of the four becomes row 4 q.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Spread(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, float* target)
    {
        var (even, odd) = (Avx512F.Shuffle4x128(a, b, 0x88), Avx512F.Shuffle4x128(a, b, 0xdd));
        var (even2, odd2) = (Avx512F.Shuffle4x128(c, d, 0x88), Avx512F.Shuffle4x128(c, d, 0xdd));
        Avx512F.Shuffle4x128(even, even2, 0x88).Store(target);
        Avx512F.Shuffle4x128(odd, odd2, 0x88).Store(target + 64);
        Avx512F.Shuffle4x128(even, even2, 0xdd).Store(target + 128);
        Avx512F.Shuffle4x128(odd, odd2, 0xdd).Store(target + 192);
    }
}
