using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace LmKit;

internal static unsafe partial class Vandermonde
{
    private const int Block = VandermondeLayout.Block;
    private const int WidestLanes = 16;
    private const int Span = Block * VandermondeLayout.Blocks;

    // A vector's channels of so many samples are held at once, 4 MB at most; longer ones are copied.
    private const long LongestChannelsLast = 1L << 16;

    private static Tensor PassOnCpu(Tensor tables, Tensor u, Tensor state, Tensor sums, IReadOnlyList<long>? lengths)
    {
        using var scope = NewDisposeScope();
        var (inputs, before, after) = (u.contiguous(), state.contiguous(), empty(state.shape, state.dtype));
        using var table = new TensorMemory<float>(tables, nameof(tables));
        using var source = new TensorMemory<float>(inputs, nameof(u));
        using var from = new TensorMemory<float>(before, nameof(state));
        using var to = new TensorMemory<float>(after, nameof(after));
        using var target = new TensorMemory<float>(sums, nameof(sums));
        var work = new Passage(u, state.size(2), lengths) { Tables = table.Start, Input = source.Start, Before = from.Start, After = to.Start, Output = target.Start };
        var width = SimdWidth.Bits; // the caller's, on every thread
        WorkerPool.Shared.Run((int)work.Heads, head => Dispatch(work, width, head));
        return after.MoveToOuterDisposeScope();
    }

    private static Tensor FromZeroOnCpu(Tensor tables, Tensor u, Tensor gate, long stateCount, IReadOnlyList<long>? lengths)
    {
        using var scope = NewDisposeScope();
        var width = SimdWidth.Bits; // the caller's, on every thread
        var isChannelsLast = u.size(1) % (width / 32) == 0 && u.size(3) <= LongestChannelsLast && u.transpose(1, 3).is_contiguous() && gate.transpose(1, 3).is_contiguous();
        var (inputs, gates) = isChannelsLast ? (u.transpose(1, 3), gate.transpose(1, 3)) : (u.contiguous(), gate.contiguous());
        var after = empty([u.size(0), u.size(1), stateCount, 2], u.dtype);
        using var table = new TensorMemory<float>(tables, nameof(tables));
        using var source = new TensorMemory<float>(inputs, nameof(u));
        using var factors = new TensorMemory<float>(gates, nameof(gate));
        using var to = new TensorMemory<float>(after, nameof(after));
        var work = new Passage(u, stateCount, lengths) { Tables = table.Start, Input = source.Start, Gate = factors.Start, After = to.Start };
        var lanes = isChannelsLast ? width / 32 : 1;
        WorkerPool.Shared.Run((int)work.Heads / lanes, piece => Dispatch(work, width, piece * lanes, lanes));
        return after.MoveToOuterDisposeScope();
    }

    private static void Dispatch(Passage work, int width, int first, int count)
    {
        if (width == 512)
            HeadsFromZero<Vector512<float>, Avx512Lanes>(work, first, count);
        else if (width == 256)
            HeadsFromZero<Vector256<float>, Avx2Lanes>(work, first, count);
        else
            HeadsFromZero<Vector128<float>, PortableLanes>(work, first, count);
    }

    // One head, or as many as a vector has lanes, whose samples lie side by side.
    private static void HeadsFromZero<V, T>(Passage work, int first, int count)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (layout, length) = (work.Layout, (int)((work.Length + T.Count - 1) / T.Count * T.Count));
        using var memory = ScratchMemory.Rent((VandermondeLayout.Blocks + 2) * layout.Width + Block + (long)count * length);
        float* state = memory.Start, moved = state + layout.Width, rows = moved + layout.Width, padded = rows + VandermondeLayout.Blocks * layout.Width;
        var sequences = padded + Block;
        for (long row = 0; row < work.Rows; row++)
        {
            var offset = count == 1 ? work.SequenceOffset(row, first) : row * work.Length * work.Heads + first;
            SequenceTiles<V, T>.Load(work.Input + offset, work.Gate + offset, (int)work.Length, count == 1 ? 1 : work.Heads, sequences, length, length);
            for (var head = 0; head < count; head++)
            {
                new Span<float>(state, layout.Width).Clear();
                Advance<V, T>(layout, work.Tables + (long)(first + head) * layout.Size, state, moved, rows, padded, sequences + (long)head * length, work.Count(row));
                Join(state, work.After + work.StateOffset(row, first + head), layout);
            }
        }
    }

    private static void Dispatch(Passage work, int width, int head)
    {
        if (width == 512)
            Head<Vector512<float>, Avx512Lanes>(work, head);
        else if (width == 256)
            Head<Vector256<float>, Avx2Lanes>(work, head);
        else
            Head<Vector128<float>, PortableLanes>(work, head);
    }

    // All rows of a head, whose tables stay in the cache.
    private static void Head<V, T>(Passage work, int head)
        where V : struct
        where T : struct, ILanes<V>
    {
        var layout = work.Layout;
        using var memory = ScratchMemory.Rent((VandermondeLayout.Blocks + 2) * layout.Width + Block);
        float* state = memory.Start, moved = state + layout.Width, rows = moved + layout.Width, padded = rows + VandermondeLayout.Blocks * layout.Width;
        var table = work.Tables + (long)head * layout.Size;
        for (long row = 0; row < work.Rows; row++)
        {
            var place = work.StateOffset(row, head);
            var offset = work.SequenceOffset(row, head);
            if (Split(work.Before + place, state, layout)) // nothing to read out of zeros
                Respond<V, T>(layout, table, state, moved, rows, padded, work.Output + offset, work.Length);
            Advance<V, T>(layout, table, state, moved, rows, padded, work.Input + offset, work.Count(row));
            Join(state, work.After + place, layout);
        }
    }

    // y_t += 2 Re sum of c e^(lambda (t + 1)) x: block by block the moved states times the basis.
    private static void Respond<V, T>(VandermondeLayout layout, float* table, float* state, float* moved, float* rows, float* padded, float* y, long length)
        where V : struct
        where T : struct, ILanes<V>
    {
        Times<V, T>(table + layout.Readout, state, moved, layout.Lanes);
        for (long start = 0; start < length; start += Span)
        {
            var count = (int)Math.Min(Span, length - start);
            var (full, rest) = (count / Block, count % Block);
            for (var block = 0; block * Block < count; block++)
                Times<V, T>(table + layout.Far + block * layout.Width, moved, rows + block * layout.Width, layout.Lanes);
            Multiply<V, T>(rows, layout.Width, table + layout.Basis, Block, y + start, Block, full, layout.Width, adds: true);
            if (rest > 0)
            {
                Multiply<V, T>(rows + full * layout.Width, layout.Width, table + layout.Basis, Block, padded, Block, 1, layout.Width, adds: false);
                var last = y + start + full * Block;
                for (var at = 0; at < rest; at++)
                    last[at] += padded[at];
            }
            Times<V, T>(table + layout.Far + VandermondeLayout.Blocks * layout.Width, moved, moved, layout.Lanes);
        }
    }

    // x after m inputs: spans in order, the first one short; within one, blocks from its end.
    private static void Advance<V, T>(VandermondeLayout layout, float* table, float* state, float* moved, float* rows, float* padded, float* u, long length)
        where V : struct
        where T : struct, ILanes<V>
    {
        for (long start = 0; start < length;)
        {
            var count = (int)((length - start - 1) % Span + 1);
            var (full, rest) = (count / Block, count % Block);
            Multiply<V, T>(u + start + count - Block, -Block, table + VandermondeLayout.Weights, layout.Width, rows, layout.Width, full, Block, adds: false);
            if (rest > 0)
            {
                new Span<float>(padded, Block - rest).Clear();
                new ReadOnlySpan<float>(u + start, rest).CopyTo(new Span<float>(padded + Block - rest, rest));
                Multiply<V, T>(padded, Block, table + VandermondeLayout.Weights, layout.Width, rows + full * layout.Width, layout.Width, 1, Block, adds: false);
            }
            // e^(lambda count) x, then b times what the blocks add.
            Times<V, T>(table + layout.Far + full * layout.Width, state, moved, layout.Lanes);
            Times<V, T>(table + VandermondeLayout.Weights + (Block - 1 - rest) * layout.Width, moved, state, layout.Lanes);
            AddBlocks<V, T>(layout, table, rows, rest > 0 ? full + 1 : full, state);
            start += count;
        }
    }

    // state += b sum over blocks a of e^(lambda Block a) w_a.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddBlocks<V, T>(VandermondeLayout layout, float* table, float* rows, int count, float* state)
        where V : struct
        where T : struct, ILanes<V>
    {
        var input = table + layout.Input;
        for (var at = 0; at < layout.Lanes; at += T.Count)
        {
            var (re, im) = (T.Broadcast(0), T.Broadcast(0));
            for (var block = 0; block < count; block++)
            {
                float* far = table + layout.Far + block * layout.Width + at, w = rows + block * layout.Width + at;
                var (p, q, x, y) = (T.Load(far), T.Load(far + layout.Lanes), T.Load(w), T.Load(w + layout.Lanes));
                re = T.SubtractMultiplied(q, y, T.MultiplyAdd(p, x, re));
                im = T.MultiplyAdd(q, x, T.MultiplyAdd(p, y, im));
            }
            var (bRe, bIm) = (T.Load(input + at), T.Load(input + layout.Lanes + at));
            T.Store(T.SubtractMultiplied(bIm, im, T.MultiplyAdd(bRe, re, T.Load(state + at))), state + at);
            T.Store(T.MultiplyAdd(bIm, re, T.MultiplyAdd(bRe, im, T.Load(state + layout.Lanes + at))), state + layout.Lanes + at);
        }
    }

    // Complex products of one row of states; the target may be one of the factors.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Times<V, T>(float* a, float* b, float* to, int lanes)
        where V : struct
        where T : struct, ILanes<V>
    {
        for (var at = 0; at < lanes; at += T.Count)
        {
            var (p, q, x, y) = (T.Load(a + at), T.Load(a + lanes + at), T.Load(b + at), T.Load(b + lanes + at));
            T.Store(T.SubtractMultiplied(q, y, T.Multiply(p, x)), to + at);
            T.Store(T.MultiplyAdd(q, x, T.Multiply(p, y)), to + lanes + at);
        }
    }

    // to (rows, columns) = or += a (rows, depth) b (depth, columns), columns being the distance of b's rows.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<V, T>(float* a, int aStride, float* b, int columns, float* to, int toStride, int rows, int depth, bool adds)
        where V : struct
        where T : struct, ILanes<V>
    {
        var row = 0;
        // Sixteen sums hide the multiply-add's latency where there are registers for them.
        for (; T.Count == WidestLanes && row + 8 <= rows; row += 8)
        {
            for (var column = 0; column < columns; column += 2 * T.Count)
                EightRows<V, T>(a + (long)row * aStride, aStride, b + column, columns, to + (long)row * toStride + column, toStride, depth, adds);
        }
        for (; row + 4 <= rows; row += 4)
        {
            for (var column = 0; column < columns; column += 2 * T.Count)
                FourRows<V, T>(a + (long)row * aStride, aStride, b + column, columns, to + (long)row * toStride + column, toStride, depth, adds);
        }
        for (; row < rows; row++)
        {
            for (var column = 0; column < columns; column += 2 * T.Count)
                OneRow<V, T>(a + (long)row * aStride, b + column, columns, to + (long)row * toStride + column, depth, adds);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void EightRows<V, T>(float* a, int aStride, float* b, int bStride, float* to, int toStride, int depth, bool adds)
        where V : struct
        where T : struct, ILanes<V>
    {
        float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride, a4 = a3 + aStride, a5 = a4 + aStride, a6 = a5 + aStride, a7 = a6 + aStride;
        var zero = T.Broadcast(0);
        V s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero, s6 = zero, s7 = zero;
        V t0 = zero, t1 = zero, t2 = zero, t3 = zero, t4 = zero, t5 = zero, t6 = zero, t7 = zero;
        for (var at = 0; at < depth; at++, b += bStride)
        {
            var (left, right) = (T.Load(b), T.Load(b + T.Count));
            Add<V, T>(left, right, a[at], ref s0, ref t0);
            Add<V, T>(left, right, a1[at], ref s1, ref t1);
            Add<V, T>(left, right, a2[at], ref s2, ref t2);
            Add<V, T>(left, right, a3[at], ref s3, ref t3);
            Add<V, T>(left, right, a4[at], ref s4, ref t4);
            Add<V, T>(left, right, a5[at], ref s5, ref t5);
            Add<V, T>(left, right, a6[at], ref s6, ref t6);
            Add<V, T>(left, right, a7[at], ref s7, ref t7);
        }
        Put<V, T>(s0, t0, to, adds);
        Put<V, T>(s1, t1, to + toStride, adds);
        Put<V, T>(s2, t2, to + 2 * toStride, adds);
        Put<V, T>(s3, t3, to + 3 * toStride, adds);
        Put<V, T>(s4, t4, to + 4 * toStride, adds);
        Put<V, T>(s5, t5, to + 5 * toStride, adds);
        Put<V, T>(s6, t6, to + 6 * toStride, adds);
        Put<V, T>(s7, t7, to + 7 * toStride, adds);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FourRows<V, T>(float* a, int aStride, float* b, int bStride, float* to, int toStride, int depth, bool adds)
        where V : struct
        where T : struct, ILanes<V>
    {
        float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride;
        var zero = T.Broadcast(0);
        V s0 = zero, s1 = zero, s2 = zero, s3 = zero, t0 = zero, t1 = zero, t2 = zero, t3 = zero;
        for (var at = 0; at < depth; at++, b += bStride)
        {
            var (left, right) = (T.Load(b), T.Load(b + T.Count));
            Add<V, T>(left, right, a[at], ref s0, ref t0);
            Add<V, T>(left, right, a1[at], ref s1, ref t1);
            Add<V, T>(left, right, a2[at], ref s2, ref t2);
            Add<V, T>(left, right, a3[at], ref s3, ref t3);
        }
        Put<V, T>(s0, t0, to, adds);
        Put<V, T>(s1, t1, to + toStride, adds);
        Put<V, T>(s2, t2, to + 2 * toStride, adds);
        Put<V, T>(s3, t3, to + 3 * toStride, adds);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void OneRow<V, T>(float* a, float* b, int bStride, float* to, int depth, bool adds)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (s, t) = (T.Broadcast(0), T.Broadcast(0));
        for (var at = 0; at < depth; at++, b += bStride)
            Add<V, T>(T.Load(b), T.Load(b + T.Count), a[at], ref s, ref t);
        Put<V, T>(s, t, to, adds);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<V, T>(V left, V right, float factor, ref V s, ref V t)
        where V : struct
        where T : struct, ILanes<V>
    {
        var all = T.Broadcast(factor);
        s = T.MultiplyAdd(left, all, s);
        t = T.MultiplyAdd(right, all, t);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put<V, T>(V left, V right, float* to, bool adds)
        where V : struct
        where T : struct, ILanes<V>
    {
        T.Store(adds ? T.Add(left, T.Load(to)) : left, to);
        T.Store(adds ? T.Add(right, T.Load(to + T.Count)) : right, to + T.Count);
    }

    // (n, 2) to re apart from im; whether any is not zero.
    private static bool Split(float* pairs, float* to, VandermondeLayout layout)
    {
        var isAny = false;
        new Span<float>(to, layout.Width).Clear();
        for (var state = 0; state < layout.States; state++)
        {
            var (re, im) = (pairs[2 * state], pairs[2 * state + 1]);
            (to[state], to[layout.Lanes + state]) = (re, im);
            isAny |= re != 0 || im != 0;
        }
        return isAny;
    }

    private static void Join(float* from, float* pairs, VandermondeLayout layout)
    {
        for (var state = 0; state < layout.States; state++)
            (pairs[2 * state], pairs[2 * state + 1]) = (from[state], from[layout.Lanes + state]);
    }

    private readonly struct Passage
    {
        private readonly long pairs;
        private readonly IReadOnlyList<long>? lengths;

        internal Passage(Tensor u, long stateCount, IReadOnlyList<long>? lengths)
        {
            (Heads, pairs, Length) = (u.size(1), u.size(2), u.size(3));
            Rows = u.size(0) * pairs;
            Layout = new VandermondeLayout(stateCount);
            this.lengths = lengths;
        }

        internal VandermondeLayout Layout { get; }

        internal long Heads { get; }

        internal long Rows { get; }

        internal long Length { get; }

        internal float* Tables { get; init; }

        internal float* Input { get; init; }

        internal float* Gate { get; init; }

        internal float* Before { get; init; }

        internal float* After { get; init; }

        internal float* Output { get; init; }

        internal long Count(long row) => lengths is null ? Length : lengths[(int)(row / pairs)];

        internal long StateOffset(long row, long head) => (row * Heads + head) * 2 * Layout.States;

        // A row's sequence in (B, H, P, L).
        internal long SequenceOffset(long row, long head)
        {
            var (batch, pair) = Math.DivRem(row, pairs);
            return ((batch * Heads + head) * pairs + pair) * Length;
        }
    }
}
