using System.Numerics;
using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LmKit;

internal sealed partial record AdamStep
{
    private const int PieceLength = 1 << 16;

    /// <summary>The step in one pass over the memory.</summary>
    internal unsafe void Cpu(Tensor parameter, Tensor gradient, Tensor first, Tensor second, long count)
    {
        using var theta = new TensorMemory<float>(parameter, nameof(parameter));
        using var g = new TensorMemory<float>(gradient, nameof(gradient));
        using var m = new TensorMemory<float>(first, nameof(first));
        using var v = new TensorMemory<float>(second, nameof(second));
        if (theta.Count == 0)
            return;
        var (length, pT, pG, pM, pV) = (theta.Count, (nint)theta.Start, (nint)g.Start, (nint)m.Start, (nint)v.Start);
        var root = (float)(1 / Math.Sqrt(1 - Math.Pow(Beta2, count)));
        var rate = (float)(Rate / (1 - Math.Pow(Beta1, count)));
        WorkerPool.Shared.Run(checked((int)((length + PieceLength - 1) / PieceLength)), piece =>
        {
            var at = (long)piece * PieceLength;
            Run((float*)pT + at, (float*)pG + at, (float*)pM + at, (float*)pV + at, (int)Math.Min(PieceLength, length - at), root, rate);
        });
        foreach (var written in (Tensor[])[parameter, first, second])
            ParameterVersion.Move(written);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private unsafe void Run(float* theta, float* g, float* m, float* v, int length, float root, float rate)
    {
        var (b1, b2, c1, c2, epsilon) = ((float)Beta1, (float)Beta2, (float)(1 - Beta1), (float)(1 - Beta2), (float)Epsilon);
        var (B1, B2, C1, C2, E) = (new Vector<float>(b1), new Vector<float>(b2), new Vector<float>(c1), new Vector<float>(c2), new Vector<float>(epsilon));
        var (R, A) = (new Vector<float>(root), new Vector<float>(rate));
        var at = 0;
        for (; at <= length - Vector<float>.Count; at += Vector<float>.Count)
        {
            var G = Vector.Load(g + at);
            var M = (Vector.Load(m + at) * B1) + (G * C1);
            var V = (Vector.Load(v + at) * B2) + (G * G * C2);
            M.Store(m + at);
            V.Store(v + at);
            (Vector.Load(theta + at) - (M / ((Vector.SquareRoot(V) * R) + E) * A)).Store(theta + at);
        }
        for (; at < length; at++)
        {
            m[at] = (m[at] * b1) + (g[at] * c1);
            v[at] = (v[at] * b2) + (g[at] * g[at] * c2);
            theta[at] -= m[at] / ((MathF.Sqrt(v[at]) * root) + epsilon) * rate;
        }
    }
}
