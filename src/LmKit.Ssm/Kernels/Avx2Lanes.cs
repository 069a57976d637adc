using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace LmKit;

/// <summary>Eight lanes, for AVX2 with FMA.</summary>
internal readonly unsafe struct Avx2Lanes : ILanes<Vector256<float>>
{
    public static int Count => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* from) => Vector256.Load(from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<float> value, float* to) => value.Store(to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Subtract(Vector256<float> a, Vector256<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Vector256.MultiplyAddEstimate(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> SubtractMultiplied(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Vector256.MultiplyAddEstimate(-a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Exp(Vector256<float> a) => Vector256.Exp(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> a) => Vector256.Sum(a);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* matrix)
    {
        // Pairs of rows, then pairs of pairs, then halves.
        var p = stackalloc Vector256<float>[8];
        var q = stackalloc Vector256<float>[8];
        for (var row = 0; row < 8; row += 2)
        {
            var (a, b) = (Vector256.Load(matrix + 8 * row), Vector256.Load(matrix + 8 * row + 8));
            (p[row], p[row + 1]) = (Avx.UnpackLow(a, b), Avx.UnpackHigh(a, b));
        }
        for (var row = 0; row < 8; row += 4)
        {
            for (var half = 0; half < 2; half++)
            {
                var (a, b) = (p[row + half].AsDouble(), p[row + half + 2].AsDouble());
                q[row + 2 * half] = Avx.UnpackLow(a, b).AsSingle();
                q[row + 2 * half + 1] = Avx.UnpackHigh(a, b).AsSingle();
            }
        }
        for (var row = 0; row < 4; row++)
        {
            Avx.Permute2x128(q[row], q[row + 4], 0x20).Store(matrix + 8 * row);
            Avx.Permute2x128(q[row], q[row + 4], 0x31).Store(matrix + 8 * row + 32);
        }
    }
}
