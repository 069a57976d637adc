using System.Numerics;
using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LmKit;

internal static partial class FeatureSelection
{
    /// <summary>The mask in one pass over each row, which collects what exceeds the k-th largest so far; null where a value is NaN.</summary>
    internal static unsafe Tensor? Cpu(Tensor values, int count)
    {
        using var scope = NewDisposeScope();
        var mask = zeros(values.shape, ScalarType.Bool);
        if (mask.numel() == 0)
            return mask.MoveToOuterDisposeScope();
        using var memory = new TensorMemory<float>(values.detach().contiguous(), nameof(values));
        var (width, start, kept) = ((int)values.size(-1), (nint)memory.Start, TensorAddress.Of(mask));
        var rows = (int)(memory.Count / width);
        var failed = 0;
        var pieces = Math.Min(rows, 64);
        WorkerPool.Shared.Run(pieces, piece =>
        {
            var chosen = new Chosen(count, width);
            for (var row = (int)((long)rows * piece / pieces); row < (int)((long)rows * (piece + 1) / pieces); row++)
            {
                if (!chosen.Read((float*)start + ((long)row * width)))
                    Volatile.Write(ref failed, 1);
                foreach (var place in chosen.Places)
                    ((byte*)kept)[((long)row * width) + place] = 1;
            }
        });
        return failed == 0 ? mask.MoveToOuterDisposeScope() : null;
    }

    // The best k of what was read, and what came after them and may be better, in the order of the row.
    private sealed class Chosen(int count, int width)
    {
        private readonly int[] places = new int[Math.Min((long)width, (2L * count) + 64) + Vector<float>.Count];
        private readonly float[] values = new float[Math.Min((long)width, (2L * count) + 64) + Vector<float>.Count];
        private int held;

        internal ReadOnlySpan<int> Places => places.AsSpan(0, held);

        /// <summary>Reads a row; false where it holds NaN.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        internal unsafe bool Read(float* row)
        {
            held = 0;
            var (limit, nan, at) = (float.NegativeInfinity, Vector<int>.Zero, 0);
            var full = places.Length - Vector<float>.Count;
            for (; at < Math.Min(full, width); at++)
            {
                if (float.IsNaN(row[at]))
                    return false;
                places[held++] = at;
            }
            if (at < width)
                limit = Reduce(row);
            for (; at <= width - Vector<float>.Count; at += Vector<float>.Count)
            {
                var read = Vector.Load(row + at);
                nan |= ~Vector.Equals(read, read);
                if (!Vector.GreaterThanAny(read, new Vector<float>(limit)))
                    continue;
                for (var lane = 0; lane < Vector<float>.Count; lane++)
                {
                    if (row[at + lane] > limit)
                        places[held++] = at + lane;
                }
                if (held >= full)
                    limit = Reduce(row);
            }
            for (; at < width; at++)
            {
                if (float.IsNaN(row[at]))
                    return false;
                if (row[at] > limit)
                    places[held++] = at;
            }
            _ = Reduce(row);
            return nan == Vector<int>.Zero;
        }

        // Keeps the best k of what is held; the k-th largest.
        private unsafe float Reduce(float* row)
        {
            for (var index = 0; index < held; index++)
                values[index] = row[places[index]];
            var limit = Order.Largest(values.AsSpan(0, held), count - 1);
            var room = count;
            for (var index = 0; index < held; index++)
                room -= row[places[index]] > limit ? 1 : 0;
            var kept = 0;
            for (var index = 0; index < held; index++)
            {
                var value = row[places[index]];
                if (value > limit || (value == limit && room-- > 0))
                    places[kept++] = places[index];
            }
            held = kept;
            return limit;
        }
    }

    // Hoare's selection; the span is put into another order.
    private static class Order
    {
        internal static float Largest(Span<float> values, int rank)
        {
            var (low, high) = (0, values.Length - 1);
            while (low < high)
            {
                var pivot = Middle(values[low], values[(low + high) >>> 1], values[high]);
                var (left, right) = (low, high);
                while (left <= right)
                {
                    while (values[left] > pivot)
                        left++;
                    while (values[right] < pivot)
                        right--;
                    if (left > right)
                        break;
                    (values[left], values[right]) = (values[right], values[left]);
                    left++;
                    right--;
                }
                if (rank <= right)
                    high = right;
                else if (rank >= left)
                    low = left;
                else
                    return values[rank];
            }
            return values[rank];
        }

        private static float Middle(float a, float b, float c) => Math.Max(Math.Min(a, b), Math.Min(Math.Max(a, b), c));
    }
}
