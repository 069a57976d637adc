using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LmKit;

public static partial class TopAfaSelection
{
    // Masses fall into bins by exponent and four bits of the fraction; only the bin where the target lies is sorted.
    private const int BinShift = 19;
    private const int BinCount = 1 << (31 - BinShift);

    /// <summary>The choice without sorting rows; null where a mass is not finite.</summary>
    internal static unsafe (Tensor Counts, Tensor Mask)? Cpu(Tensor activations, Tensor decoderNorms, Tensor target, long minCount, long maxCount)
    {
        using var scope = NewDisposeScope();
        var (rows, width) = ((int)activations.size(0), (int)activations.size(1));
        var counts = empty([rows], ScalarType.Int64);
        var mask = empty([rows, width], ScalarType.Bool);
        using var values = new TensorMemory<float>(activations.contiguous(), nameof(activations));
        using var norms = new TensorMemory<float>(decoderNorms.contiguous(), nameof(decoderNorms));
        using var wanted = new TensorMemory<float>(target.contiguous(), nameof(target));
        using var chosen = new TensorMemory<long>(counts, nameof(counts));
        var (a, n, t, k, kept) = ((nint)values.Start, (nint)norms.Start, (nint)wanted.Start, (nint)chosen.Start, rows == 0 ? 0 : TensorAddress.Of(mask));
        var (least, most) = ((int)Math.Min(minCount, width), maxCount > 0 ? (int)Math.Min(maxCount, width) : width);
        var failed = 0;
        var pieces = Math.Min(rows, 16);
        WorkerPool.Shared.Run(pieces, piece =>
        {
            var row = new Masses(width);
            for (var at = (long)rows * piece / pieces; at < (long)rows * (piece + 1) / pieces; at++)
            {
                if (!row.Read((float*)a + (at * width), (float*)n))
                {
                    Volatile.Write(ref failed, 1);
                    return;
                }
                var count = Math.Clamp(row.Nearest(((float*)t)[at]), least, most);
                ((long*)k)[at] = count;
                row.Mark(count, (byte*)kept + (at * width));
            }
        });
        return failed == 0 ? (counts.MoveToOuterDisposeScope(), mask.MoveToOuterDisposeScope()) : null;
    }

    // The masses s_j of one row.
    private sealed class Masses(int width)
    {
        private readonly float[] masses = new float[width];
        private readonly int[] counts = new int[BinCount];
        private readonly double[] sums = new double[BinCount];
        private readonly ulong[] keys = new ulong[width]; // of one bin, in the order of choice

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        internal unsafe bool Read(float* activations, float* norms)
        {
            counts.AsSpan().Clear();
            sums.AsSpan().Clear();
            for (var index = 0; index < masses.Length; index++)
            {
                var root = activations[index] * norms[index];
                masses[index] = root * root;
            }
            foreach (var mass in masses)
            {
                var bin = (int)(BitConverter.SingleToUInt32Bits(mass) >> BinShift) & (BinCount - 1);
                counts[bin]++;
                sums[bin] += mass;
            }
            return counts.AsSpan((int)(0x7F80_0000u >> BinShift)).IndexOfAnyExcept(0) < 0;
        }

        /// <summary>The m whose C_m is nearest to the target.</summary>
        internal int Nearest(float target)
        {
            var (count, sum, before) = (0, 0.0, 0f);
            for (var bin = BinCount - 1; bin >= 0; bin--)
            {
                if (counts[bin] == 0)
                    continue;
                if (Norm(sum + sums[bin]) < target)
                {
                    (count, sum) = (count + counts[bin], sum + sums[bin]);
                    before = Norm(sum);
                    continue;
                }
                foreach (var key in InOrder(bin))
                {
                    sum += masses[(int)(uint)key];
                    count++;
                    var norm = Norm(sum);
                    if (norm >= target)
                        return count == 1 || MathF.Abs(norm - target) < MathF.Abs(before - target) ? count : count - 1;
                    before = norm;
                }
            }
            var active = 0;
            foreach (var mass in masses)
                active += mass > 0 ? 1 : 0;
            return Math.Max(active, 1);
        }

        /// <summary>Marks the largest masses.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        internal unsafe void Mark(int count, byte* kept)
        {
            var (bin, above) = (BinCount, 0);
            while (above < count && above + counts[bin - 1] <= count)
                above += counts[--bin];
            // Bins from this one on are kept whole, and some of the one below it.
            var least = (uint)bin << BinShift;
            for (var index = 0; index < masses.Length; index++)
                kept[index] = BitConverter.SingleToUInt32Bits(masses[index]) >= least ? (byte)1 : (byte)0;
            if (above == count)
                return;
            foreach (var key in InOrder(bin - 1)[..(count - above)])
                kept[(uint)key] = 1;
        }

        // Larger masses first, of equal ones the lower index.
        private Span<ulong> InOrder(int bin)
        {
            var found = 0;
            for (var index = 0; index < masses.Length; index++)
            {
                var bits = BitConverter.SingleToUInt32Bits(masses[index]);
                if ((int)(bits >> BinShift) == bin)
                    keys[found++] = ((ulong)~bits << 32) | (uint)index;
            }
            var order = keys.AsSpan(0, found);
            order.Sort();
            return order;
        }

        // As cumsum and sqrt of float32 give it: the sum in float64, each prefix rounded.
        private static float Norm(double sum) => MathF.Sqrt((float)sum);
    }
}
