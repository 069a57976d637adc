using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace LmKit;

/// <summary>Sixteen lanes, for AVX-512.</summary>
internal readonly unsafe struct Avx512Lanes : ILanes<Vector512<float>>
{
    public static int Count => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* from) => Vector512.Load(from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> value, float* to) => value.Store(to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Subtract(Vector512<float> a, Vector512<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.MultiplyAddEstimate(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> SubtractMultiplied(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.MultiplyAddEstimate(-a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> a) => Vector512.Exp(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector512<float> a) => Vector512.Sum(a);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* matrix)
    {
        // Pairs of rows, then pairs of pairs, then quarters, twice.
        var p = stackalloc Vector512<float>[16];
        var q = stackalloc Vector512<float>[16];
        for (var row = 0; row < 16; row += 2)
        {
            var (a, b) = (Vector512.Load(matrix + 16 * row), Vector512.Load(matrix + 16 * row + 16));
            (p[row], p[row + 1]) = (Avx512F.UnpackLow(a, b), Avx512F.UnpackHigh(a, b));
        }
        for (var row = 0; row < 16; row += 4)
        {
            for (var half = 0; half < 2; half++)
            {
                var (a, b) = (p[row + half].AsDouble(), p[row + half + 2].AsDouble());
                q[row + 2 * half] = Avx512F.UnpackLow(a, b).AsSingle();
                q[row + 2 * half + 1] = Avx512F.UnpackHigh(a, b).AsSingle();
            }
        }
        // Row r of each group of four holds column r of its 4 x 4 blocks, one block per quarter.
        for (var row = 0; row < 4; row++)
        {
            p[row] = Avx512F.Shuffle4x128(q[row], q[row + 4], 0x88);
            p[row + 4] = Avx512F.Shuffle4x128(q[row], q[row + 4], 0xdd);
            p[row + 8] = Avx512F.Shuffle4x128(q[row + 8], q[row + 12], 0x88);
            p[row + 12] = Avx512F.Shuffle4x128(q[row + 8], q[row + 12], 0xdd);
        }
        for (var row = 0; row < 4; row++)
        {
            Avx512F.Shuffle4x128(p[row], p[row + 8], 0x88).Store(matrix + 16 * row);
            Avx512F.Shuffle4x128(p[row + 4], p[row + 12], 0x88).Store(matrix + 16 * (row + 4));
            Avx512F.Shuffle4x128(p[row], p[row + 8], 0xdd).Store(matrix + 16 * (row + 8));
            Avx512F.Shuffle4x128(p[row + 4], p[row + 12], 0xdd).Store(matrix + 16 * (row + 12));
        }
    }
}
