using System.Numerics;
using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>Weighted sums of rows of float32 in memory.</summary>
internal static unsafe class RowSums
{
    /// <summary>target += factor row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Add(float factor, float* row, float* target, int width)
    {
        var F = new Vector<float>(factor);
        var at = 0;
        for (; at <= width - Vector<float>.Count; at += Vector<float>.Count)
            Vector.MultiplyAddEstimate(F, Vector.Load(row + at), Vector.Load(target + at)).Store(target + at);
        for (; at < width; at++)
            target[at] += factor * row[at];
    }

    /// <summary>g . row, and target += factor g in the same pass.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static float DotAndAdd(float* g, float* row, float factor, float* target, int width)
    {
        var F = new Vector<float>(factor);
        var (low, high) = (Vector<float>.Zero, Vector<float>.Zero);
        var at = 0;
        for (; at <= width - (2 * Vector<float>.Count); at += 2 * Vector<float>.Count)
        {
            var (G, H) = (Vector.Load(g + at), Vector.Load(g + at + Vector<float>.Count));
            low = Vector.MultiplyAddEstimate(G, Vector.Load(row + at), low);
            high = Vector.MultiplyAddEstimate(H, Vector.Load(row + at + Vector<float>.Count), high);
            Vector.MultiplyAddEstimate(F, G, Vector.Load(target + at)).Store(target + at);
            Vector.MultiplyAddEstimate(F, H, Vector.Load(target + at + Vector<float>.Count)).Store(target + at + Vector<float>.Count);
        }
        var sum = Vector.Sum(low + high);
        for (; at < width; at++)
        {
            sum += g[at] * row[at];
            target[at] += factor * g[at];
        }
        return sum;
    }
}
