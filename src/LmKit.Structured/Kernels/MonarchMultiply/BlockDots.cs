using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>A matrix times one vector: the matrix is read once, in its order.</summary>
internal static unsafe class BlockDots<V, T>
    where V : struct
    where T : struct, ILanes<V>
{
    /// <summary>y[place of row i] = matrix row i . x, plus the bias at that place.</summary>
    /// <param name="matrix">(rows, inner).</param>
    /// <param name="rows">Rows.</param>
    /// <param name="inner">Numbers of a row.</param>
    /// <param name="x">(inner).</param>
    /// <param name="y">Where results go.</param>
    /// <param name="places">Where result i goes; null for every <paramref name="stride"/> numbers.</param>
    /// <param name="stride">From one result to the next.</param>
    /// <param name="bias">Laid out as y, or null.</param>
    /// <param name="end">Results at this place and beyond are left out.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Run(float* matrix, int rows, int inner, float* x, float* y, int* places, int stride, float* bias, long end)
    {
        var row = 0;
        for (; row + 4 <= rows; row += 4, matrix += 4L * inner)
        {
            Four(matrix, inner, x, out var first, out var second, out var third, out var fourth);
            Put(first, row, y, places, stride, bias, end);
            Put(second, row + 1, y, places, stride, bias, end);
            Put(third, row + 2, y, places, stride, bias, end);
            Put(fourth, row + 3, y, places, stride, bias, end);
        }
        for (; row < rows; row++, matrix += inner)
            Put(One(matrix, inner, x), row, y, places, stride, bias, end);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float value, int row, float* y, int* places, int stride, float* bias, long end)
    {
        var place = places is null ? (long)row * stride : places[row];
        if (place < end)
            y[place] = bias is null ? value : value + bias[place];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four(float* matrix, int inner, float* x, out float first, out float second, out float third, out float fourth)
    {
        float* next = matrix + inner, after = next + inner, last = after + inner;
        V a = T.Broadcast(0), b = a, c = a, d = a;
        var at = 0;
        for (; at + T.Count <= inner; at += T.Count)
        {
            var value = T.Load(x + at);
            a = T.MultiplyAdd(value, T.Load(matrix + at), a);
            b = T.MultiplyAdd(value, T.Load(next + at), b);
            c = T.MultiplyAdd(value, T.Load(after + at), c);
            d = T.MultiplyAdd(value, T.Load(last + at), d);
        }
        (first, second, third, fourth) = (T.Sum(a), T.Sum(b), T.Sum(c), T.Sum(d));
        for (; at < inner; at++)
        {
            first += x[at] * matrix[at];
            second += x[at] * next[at];
            third += x[at] * after[at];
            fourth += x[at] * last[at];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float One(float* row, int inner, float* x)
    {
        V a = T.Broadcast(0);
        var at = 0;
        for (; at + T.Count <= inner; at += T.Count)
            a = T.MultiplyAdd(T.Load(x + at), T.Load(row + at), a);
        var sum = T.Sum(a);
        for (; at < inner; at++)
            sum += x[at] * row[at];
        return sum;
    }
}
