using System.Numerics;
using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The L2 norm of several gradients together, with squares summed in float64.</summary>
/// <remarks>Pieces are of one size and their sums are added in order, so the number of threads moves no bit.</remarks>
internal static class GradientNorm
{
    private const int PieceLength = 1 << 16;

    internal static double Of(IEnumerable<Tensor> gradients) => Math.Sqrt(gradients.Sum(Squares));

    private static unsafe double Squares(Tensor gradient)
    {
        if (gradient.dtype != ScalarType.Float32 || gradient.device_type != DeviceType.CPU || !gradient.is_contiguous())
            return gradient.to(ScalarType.Float64).square().sum().item<double>();
        using var memory = new TensorMemory<float>(gradient, nameof(gradient));
        var (start, length) = ((nint)memory.Start, memory.Count);
        var sums = new double[checked((int)((length + PieceLength - 1) / PieceLength))];
        WorkerPool.Shared.Run(sums.Length, piece =>
        {
            var at = (long)piece * PieceLength;
            sums[piece] = Squares((float*)start + at, (int)Math.Min(PieceLength, length - at));
        });
        return sums.Sum();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe double Squares(float* values, int length)
    {
        var (low, high) = (Vector<double>.Zero, Vector<double>.Zero);
        var at = 0;
        for (; at <= length - Vector<float>.Count; at += Vector<float>.Count)
        {
            Vector.Widen(Vector.Load(values + at), out var a, out var b);
            low += a * a;
            high += b * b;
        }
        var sum = Vector.Sum(low + high);
        for (; at < length; at++)
            sum += (double)values[at] * values[at];
        return sum;
    }
}
