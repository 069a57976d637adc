using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

internal static unsafe partial class RootMeanSquare
{
    /// <summary>Row after row, twice through each.</summary>
    internal static Tensor Cpu(Tensor x, Tensor weight, double epsilon)
    {
        var y = empty(x.shape, ScalarType.Float32);
        using var straight = x.is_contiguous() ? null : x.contiguous();
        using var straightWeight = weight.is_contiguous() ? null : weight.contiguous();
        using var input = new TensorMemory<float>(straight ?? x, nameof(x));
        using var scale = new TensorMemory<float>(straightWeight ?? weight, nameof(weight));
        using var output = new TensorMemory<float>(y, nameof(y));
        var width = (int)scale.Count;
        for (var start = 0L; start < input.Count; start += width)
        {
            if (SimdWidth.Bits == 512)
                Row<Vector512<float>, Avx512Lanes>(input.Start + start, scale.Start, output.Start + start, width, epsilon);
            else if (SimdWidth.Bits == 256)
                Row<Vector256<float>, Avx2Lanes>(input.Start + start, scale.Start, output.Start + start, width, epsilon);
            else
                Row<Vector128<float>, PortableLanes>(input.Start + start, scale.Start, output.Start + start, width, epsilon);
        }
        return y;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Row<V, T>(float* x, float* weight, float* y, int width, double epsilon)
        where V : struct
        where T : struct, ILanes<V>
    {
        V first = T.Broadcast(0), second = first;
        var at = 0;
        for (; at + (2 * T.Count) <= width; at += 2 * T.Count)
        {
            V a = T.Load(x + at), b = T.Load(x + at + T.Count);
            first = T.MultiplyAdd(a, a, first);
            second = T.MultiplyAdd(b, b, second);
        }
        var sum = (double)T.Sum(T.Add(first, second));
        for (; at < width; at++)
            sum += x[at] * x[at];
        var scale = (float)(1 / Math.Sqrt((sum / width) + epsilon));
        var broadcast = T.Broadcast(scale);
        at = 0;
        for (; at + T.Count <= width; at += T.Count)
            T.Store(T.Multiply(T.Multiply(T.Load(x + at), broadcast), T.Load(weight + at)), y + at);
        for (; at < width; at++)
            y[at] = x[at] * scale * weight[at];
    }
}
