using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>Brings sequences of one channel, or of as many neighbouring channels as a vector has lanes, into rows of their own and back.</summary>
/// <typeparam name="V">The vector.</typeparam>
/// <typeparam name="T">Its operations.</typeparam>
internal static unsafe class SequenceTiles<V, T>
    where V : struct
    where T : struct, ILanes<V>
{
    /// <summary>rows = values . factors, zeros behind.</summary>
    /// <param name="values">The first sample of the first channel.</param>
    /// <param name="factors">The same of what it is multiplied by; or null.</param>
    /// <param name="count">Samples.</param>
    /// <param name="step">From a sample to the next: 1, or the number of channels where a row per lane is filled.</param>
    /// <param name="rows">The first row.</param>
    /// <param name="length">Samples of a row.</param>
    /// <param name="stride">From a row to the next.</param>
    /// <returns>The first row, which is <paramref name="values"/> itself where nothing is to be done.</returns>
    internal static float* Load(float* values, float* factors, int count, long step, float* rows, int length, int stride)
    {
        if (step != 1)
        {
            Gather(values, factors, count, step, rows, length, stride);
            return rows;
        }
        if (factors is null && count == length)
            return values;
        if (factors is not null)
            Multiply(values, factors, rows, count);
        else
            Copy(values, rows, count);
        new Span<float>(rows + count, length - count).Clear();
        return rows;
    }

    /// <summary>values = rows . factors.</summary>
    internal static void Store(float* rows, int stride, float* factors, int count, long step, float* values)
    {
        if (step != 1)
            Scatter(rows, stride, factors, count, step, values);
        else if (factors is not null)
            Multiply(rows, factors, values, count);
        else
            Copy(rows, values, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply(float* a, float* b, float* to, int count)
    {
        var at = 0;
        for (; at <= count - T.Count; at += T.Count)
            T.Store(T.Multiply(T.Load(a + at), T.Load(b + at)), to + at);
        for (; at < count; at++)
            to[at] = a[at] * b[at];
    }

    // Vectors that straddle two cache lines cost two accesses.
    private static float* Align(float* memory) => (float*)(((nint)memory + T.Count * sizeof(float) - 1) & -(T.Count * sizeof(float)));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Gather(float* values, float* factors, int count, long step, float* rows, int length, int stride)
    {
        float* memory = stackalloc float[T.Count * T.Count + T.Count], tile = Align(memory);
        for (var start = 0; start < length; start += T.Count)
        {
            for (var sample = 0; sample < T.Count; sample++)
            {
                var vector = T.Broadcast(0);
                if (start + sample < count)
                {
                    var offset = (start + sample) * step;
                    vector = T.Load(values + offset);
                    if (factors is not null)
                        vector = T.Multiply(vector, T.Load(factors + offset));
                }
                T.Store(vector, tile + sample * T.Count);
            }
            T.Transpose(tile);
            for (var lane = 0; lane < T.Count; lane++)
                T.Store(T.Load(tile + lane * T.Count), rows + lane * stride + start);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scatter(float* rows, int stride, float* factors, int count, long step, float* values)
    {
        float* memory = stackalloc float[T.Count * T.Count + T.Count], tile = Align(memory);
        for (var start = 0; start < count; start += T.Count)
        {
            for (var lane = 0; lane < T.Count; lane++)
                T.Store(T.Load(rows + lane * stride + start), tile + lane * T.Count);
            T.Transpose(tile);
            var samples = Math.Min(T.Count, count - start);
            for (var sample = 0; sample < samples; sample++)
            {
                var offset = (start + sample) * step;
                var vector = T.Load(tile + sample * T.Count);
                T.Store(factors is null ? vector : T.Multiply(vector, T.Load(factors + offset)), values + offset);
            }
        }
    }

    private static void Copy(float* from, float* to, int count) => new ReadOnlySpan<float>(from, count).CopyTo(new Span<float>(to, count));
}
