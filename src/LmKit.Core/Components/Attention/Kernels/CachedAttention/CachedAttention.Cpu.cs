using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

internal static unsafe partial class CachedAttention
{
    // Keys whose values stay in the first cache while the query heads that share them pass.
    private const int BlockKeys = 64;

    // Below this much memory read a second thread costs more than it saves.
    private const long FloatsForThreads = 1 << 18;

    /// <summary>Takes new tokens into a cache and attends.</summary>
    /// <param name="q">Queries (B, L, H, P) float32 before position encoding.</param>
    /// <param name="k">Keys (B, L, Hkv, P), likewise.</param>
    /// <param name="v">Values (B, L, Hkv, P).</param>
    /// <param name="held">The cache's keys and values (B, Hkv, capacity, P); those of the new tokens are written. Or both in int8, and their
    /// scales (B, Hkv, capacity, 1), with the new tokens' written already.</param>
    /// <param name="slots">All slots, the new tokens' being the last.</param>
    /// <param name="layout">The new tokens.</param>
    /// <param name="reach">The mask.</param>
    /// <param name="encoding">The position encoding, or null.</param>
    /// <param name="softCap">The bound of the scores, or null.</param>
    /// <param name="sinks">A score (H) that joins every softmax, or null.</param>
    /// <returns>(B, L, H, P); zero for a query that sees no key.</returns>
    internal static Tensor Cpu(
        Tensor q, Tensor k, Tensor v, SlotBuffers held, KeySlots slots, SequenceLayout layout, MaskReach reach, PositionEncoding? encoding, double? softCap = null, Tensor? sinks = null)
    {
        using var scope = NewDisposeScope();
        var y = empty(q.shape, ScalarType.Float32);
        using var queries = new TensorMemory<float>(q.contiguous(), nameof(q));
        using var newKeys = new TensorMemory<float>(k.contiguous(), nameof(k));
        using var newValues = new TensorMemory<float>(v.contiguous(), nameof(v));
        var isCoarse = held.Count == 4;
        using var heldKeys = isCoarse ? default : new TensorMemory<float>(held[0], nameof(held));
        using var heldValues = isCoarse ? default : new TensorMemory<float>(held[1], nameof(held));
        using var coarseKeys = isCoarse ? new TensorMemory<sbyte>(held[0], nameof(held)) : default;
        using var coarseValues = isCoarse ? new TensorMemory<sbyte>(held[1], nameof(held)) : default;
        using var keyScales = isCoarse ? new TensorMemory<float>(held[2], nameof(held)) : default;
        using var valueScales = isCoarse ? new TensorMemory<float>(held[3], nameof(held)) : default;
        using var output = new TensorMemory<float>(y, nameof(y));
        using var sinkScores = new TensorMemory<float>(sinks?.to(ScalarType.Float32).contiguous() ?? y, nameof(sinks));
        var rotary = encoding as RotaryEmbedding;
        var seen = SeenKeys.Of(slots, layout, reach, isCoarse ? BlockKeys : int.MaxValue);
        var farStarts = new int[seen.Length];
        var farCount = 0;
        for (var index = 0; index < seen.Length && rotary is not null; index++)
        {
            farStarts[index] = farCount;
            farCount += seen[index].FarCount;
        }
        using var scaled = ScratchMemory.Rent(2 * queries.Count);
        using var phases = ScratchMemory.Rent(((long)farCount + 1) * (rotary?.RotaryDim ?? 0));
        var step = new CachedStep
        {
            Rows = (int)q.size(0),
            Tokens = (int)q.size(1),
            Heads = (int)q.size(2),
            KeyHeads = (int)k.size(2),
            HeadDim = (int)q.size(3),
            Capacity = held.Capacity,
            Keys = heldKeys.Start,
            Values = heldValues.Start,
            CoarseKeys = coarseKeys.Start,
            CoarseValues = coarseValues.Start,
            KeyScales = keyScales.Start,
            ValueScales = valueScales.Start,
            Plain = scaled.Start,
            Turned = rotary is null ? scaled.Start : scaled.Start + queries.Count,
            FarPhases = phases.Start + (rotary?.RotaryDim ?? 0),
            FarStarts = farStarts,
            Outputs = output.Start,
            Seen = seen,
            Slots = slots,
            Reach = reach,
            SoftCap = (float)(softCap ?? 0),
            Sinks = sinks is null ? null : sinkScores.Start,
            Rotary = rotary,
            Alibi = encoding as AlibiEncoding,
        };
        if (SimdWidth.Bits == 512)
            Run<Vector512<float>, Avx512Lanes>(step, layout, queries.Start, newKeys.Start, newValues.Start, phases.Start);
        else if (SimdWidth.Bits == 256)
            Run<Vector256<float>, Avx2Lanes>(step, layout, queries.Start, newKeys.Start, newValues.Start, phases.Start);
        else
            Run<Vector128<float>, PortableLanes>(step, layout, queries.Start, newKeys.Start, newValues.Start, phases.Start);
        return y.MoveToOuterDisposeScope();
    }

    private static void Run<V, T>(CachedStep step, SequenceLayout layout, float* q, float* k, float* v, float* phases)
        where V : struct
        where T : struct, ILanes<V>
    {
        TakeIn<V, T>(step, layout, q, k, v, phases);
        var pieces = step.Rows * step.KeyHeads;
        var threads = 2L * pieces * step.Slots.Count * step.HeadDim < FloatsForThreads ? 1 : 0;
        WorkerPool.Shared.Run(pieces, piece => Attend<V, T>(step, piece / step.KeyHeads, piece % step.KeyHeads), threads);
    }

    // Scales and turns the queries, and writes the new keys and values where the cache will hold them.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TakeIn<V, T>(in CachedStep step, SequenceLayout layout, float* q, float* k, float* v, float* phases)
        where V : struct
        where T : struct, ILanes<V>
    {
        var width = step.HeadDim;
        var scale = (float)(1 / Math.Sqrt(width));
        for (var index = 0L; index < (long)step.Rows * step.Tokens * step.Heads * width; index++)
            step.Plain[index] = q[index] * scale;
        var first = step.Slots.Count - step.Tokens;
        for (var row = 0; row < step.Rows; row++)
        {
            for (var token = 0; token < step.Tokens; token++)
            {
                var at = (row * step.Tokens) + token;
                if (step.Rotary is not null && (row == 0 || !layout.IsUniform || step.Tokens > 1))
                    step.Rotary.Table.Read(Math.Max(0, layout.Position(row, token)), new Span<float>(phases, (int)step.Rotary.RotaryDim));
                for (var head = 0; head < step.KeyHeads && step.Keys is not null; head++)
                {
                    var from = (((long)at * step.KeyHeads) + head) * width;
                    var slot = (((((long)row * step.KeyHeads) + head) * step.Capacity) + first + token) * width;
                    if (step.Rotary is null)
                        Copy(k + from, step.Keys + slot, width);
                    else
                        Turn<V, T>(k + from, phases, step.Keys + slot, step);
                    Copy(v + from, step.Values + slot, width);
                }
                for (var head = 0; head < step.Heads && step.Rotary is not null; head++)
                {
                    var from = (((long)at * step.Heads) + head) * width;
                    Turn<V, T>(step.Plain + from, phases, step.Turned + from, step);
                }
            }
        }
        for (var index = 0; index < step.Seen.Length && step.Rotary is not null; index++)
        {
            var positions = step.Slots.Positions(index / step.Tokens);
            var to = step.FarPhases + (step.FarStarts[index] * step.Rotary.RotaryDim);
            foreach (var run in step.Seen[index].Far)
            {
                for (var slot = run.Start; slot < run.Start + run.Length; slot++, to += step.Rotary.RotaryDim)
                    step.Rotary.Table.Read(step.Reach.FarPosition(step.Seen[index].Position, positions[slot]), new Span<float>(to, (int)step.Rotary.RotaryDim));
            }
        }
    }

    // The query heads that read one key head of one row.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Attend<V, T>(in CachedStep step, int row, int keyHead)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (width, sharing) = (step.HeadDim, step.Heads / step.KeyHeads);
        var first = (((long)row * step.KeyHeads) + keyHead) * step.Capacity; // slot
        using var tile = ScratchMemory.Rent(step.KeyScales is null ? 0 : BlockKeys * width);
        for (var token = 0; token < step.Tokens; token++)
        {
            var index = (step.Slots.IsUniform ? 0 : row * step.Tokens) + token;
            var seen = step.Seen[index];
            var head = (((long)row * step.Tokens) + token) * step.Heads + (keyHead * sharing);
            var outputs = step.Outputs + (head * width);
            new Span<float>(outputs, sharing * width).Clear();
            if (seen.Count == 0)
                continue;
            using var memory = ScratchMemory.Rent(((long)sharing * seen.Count) + width);
            var scores = memory.Start + width;
            var phases = step.FarPhases + (step.FarStarts[index] * (step.Rotary?.RotaryDim ?? 0));
            var at = 0;
            foreach (var run in seen.Far)
            {
                FarScores<V, T>(Keys(step, first, run, tile.Start), run.Length, step.Plain + (head * width), phases, memory.Start, scores + at, sharing, seen.Count, step);
                phases += run.Length * (step.Rotary?.RotaryDim ?? 0);
                at += run.Length;
            }
            foreach (var run in seen.Near)
            {
                Scores<V, T>(Keys(step, first, run, tile.Start), run.Length, step.Turned + (head * width), scores + at, sharing, seen.Count, width);
                at += run.Length;
            }
            if (step.SoftCap > 0)
                Cap(scores, (long)sharing * seen.Count, step.SoftCap);
            if (step.Alibi is not null)
                Lower(scores, seen, step, index / step.Tokens, keyHead * sharing, sharing);
            for (var share = 0; share < sharing; share++)
                Weigh<V, T>(scores + ((long)share * seen.Count), seen.Count, step.Sinks is null ? float.NegativeInfinity : step.Sinks[(keyHead * sharing) + share]);
            at = 0;
            foreach (var run in seen.Far)
            {
                Gather<V, T>(Values(step, first, run, tile.Start), run.Length, scores + at, outputs, sharing, seen.Count, width);
                at += run.Length;
            }
            foreach (var run in seen.Near)
            {
                Gather<V, T>(Values(step, first, run, tile.Start), run.Length, scores + at, outputs, sharing, seen.Count, width);
                at += run.Length;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scores<V, T>(float* keys, int count, float* queries, float* scores, int sharing, int stride, int width)
        where V : struct
        where T : struct, ILanes<V>
    {
        var key = 0;
        for (; key + 4 <= count; key += 4, keys += 4 * width)
        {
            for (var share = 0; share < sharing; share++)
                FourDots<V, T>(queries + (share * width), keys, scores + ((long)share * stride) + key, width);
        }
        for (; key < count; key++, keys += width)
        {
            for (var share = 0; share < sharing; share++)
                scores[((long)share * stride) + key] = Dot<V, T>(queries + (share * width), keys, width);
        }
    }

    // A starting token at position s stands at distance D from a query at s + D, and at min(i, D) - s from one at min(i, D).
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FarScores<V, T>(float* keys, int count, float* queries, float* phases, float* turned, float* scores, int sharing, int stride, in CachedStep step)
        where V : struct
        where T : struct, ILanes<V>
    {
        var width = step.HeadDim;
        if (step.Rotary is null)
        {
            Scores<V, T>(keys, count, queries, scores, sharing, stride, width);
            return;
        }
        for (var key = 0; key < count; key++, keys += width, phases += step.Rotary.RotaryDim)
        {
            for (var share = 0; share < sharing; share++)
            {
                Turn<V, T>(queries + (share * width), phases, turned, step);
                scores[((long)share * stride) + key] = Dot<V, T>(turned, keys, width);
            }
        }
    }

    // Bounds every score: cap tanh(score / cap).
    private static void Cap(float* scores, long count, float cap)
    {
        for (var at = 0L; at < count; at++)
            scores[at] = cap * MathF.Tanh(scores[at] / cap);
    }

    // ALiBi: slope * distance off every score.
    private static void Lower(float* scores, SeenKeys seen, in CachedStep step, int row, int firstHead, int sharing)
    {
        var positions = step.Slots.Positions(row);
        for (var share = 0; share < sharing; share++)
        {
            var slope = (float)step.Alibi!.Slopes[firstHead + share];
            foreach (var run in seen.Far)
            {
                for (var key = 0; key < run.Length; key++)
                    *scores++ -= slope * step.Reach.FarDistanceOf(seen.Position, positions[run.Start + key]);
            }
            foreach (var run in seen.Near)
            {
                for (var key = 0; key < run.Length; key++)
                    *scores++ -= slope * (seen.Position - positions[run.Start + key]);
            }
        }
    }

    // Scores to weights: softmax over them and a score that brings no value.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Weigh<V, T>(float* scores, int count, float sink)
        where V : struct
        where T : struct, ILanes<V>
    {
        var largest = Math.Max(Largest(scores, count), sink);
        V offset = T.Broadcast(largest), sums = T.Broadcast(0);
        var at = 0;
        for (; at + T.Count <= count; at += T.Count)
        {
            var e = T.Exp(T.Subtract(T.Load(scores + at), offset));
            T.Store(e, scores + at);
            sums = T.Add(sums, e);
        }
        var sum = T.Sum(sums) + MathF.Exp(sink - largest);
        for (; at < count; at++)
        {
            scores[at] = MathF.Exp(scores[at] - largest);
            sum += scores[at];
        }
        var scale = 1 / sum;
        for (at = 0; at < count; at++)
            scores[at] *= scale;
    }

    // Several maxima in flight hide the latency of a comparison.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Largest(float* scores, int count)
    {
        float a = scores[0], b = a, c = a, d = a;
        var at = 0;
        for (; at + 4 <= count; at += 4)
        {
            a = scores[at] > a ? scores[at] : a;
            b = scores[at + 1] > b ? scores[at + 1] : b;
            c = scores[at + 2] > c ? scores[at + 2] : c;
            d = scores[at + 3] > d ? scores[at + 3] : d;
        }
        for (; at < count; at++)
            a = scores[at] > a ? scores[at] : a;
        a = a > b ? a : b;
        c = c > d ? c : d;
        return a > c ? a : c;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Gather<V, T>(float* values, int count, float* weights, float* outputs, int sharing, int stride, int width)
        where V : struct
        where T : struct, ILanes<V>
    {
        for (var start = 0; start < count; start += BlockKeys)
        {
            var block = Math.Min(BlockKeys, count - start);
            float* from = values + ((long)start * width), by = weights + start;
            var share = 0;
            for (; share + 2 <= sharing; share += 2)
                AddWeightedTwice<V, T>(from, block, by + ((long)share * stride), by + ((long)(share + 1) * stride), outputs + (share * width), width);
            if (share < sharing)
                AddWeighted<V, T>(from, block, by + ((long)share * stride), outputs + (share * width), 0, width);
        }
    }

    // For two query heads, which read the values together.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddWeightedTwice<V, T>(float* values, int count, float* weights, float* others, float* outputs, int width)
        where V : struct
        where T : struct, ILanes<V>
    {
        var column = 0;
        for (; column + (4 * T.Count) <= width; column += 4 * T.Count)
        {
            float* to = outputs + column, next = to + width, from = values + column;
            V a = T.Load(to), b = T.Load(to + T.Count), c = T.Load(to + (2 * T.Count)), d = T.Load(to + (3 * T.Count));
            V e = T.Load(next), f = T.Load(next + T.Count), g = T.Load(next + (2 * T.Count)), h = T.Load(next + (3 * T.Count));
            for (var key = 0; key < count; key++, from += width)
            {
                V weight = T.Broadcast(weights[key]), other = T.Broadcast(others[key]);
                V x = T.Load(from), y = T.Load(from + T.Count), z = T.Load(from + (2 * T.Count)), w = T.Load(from + (3 * T.Count));
                a = T.MultiplyAdd(weight, x, a);
                b = T.MultiplyAdd(weight, y, b);
                c = T.MultiplyAdd(weight, z, c);
                d = T.MultiplyAdd(weight, w, d);
                e = T.MultiplyAdd(other, x, e);
                f = T.MultiplyAdd(other, y, f);
                g = T.MultiplyAdd(other, z, g);
                h = T.MultiplyAdd(other, w, h);
            }
            T.Store(a, to);
            T.Store(b, to + T.Count);
            T.Store(c, to + (2 * T.Count));
            T.Store(d, to + (3 * T.Count));
            T.Store(e, next);
            T.Store(f, next + T.Count);
            T.Store(g, next + (2 * T.Count));
            T.Store(h, next + (3 * T.Count));
        }
        if (column == width)
            return;
        AddWeighted<V, T>(values, count, weights, outputs, column, width);
        AddWeighted<V, T>(values, count, others, outputs + width, column, width);
    }

    // The columns of the output from one on.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddWeighted<V, T>(float* values, int count, float* weights, float* output, int column, int width)
        where V : struct
        where T : struct, ILanes<V>
    {
        for (; column + (4 * T.Count) <= width; column += 4 * T.Count)
        {
            var to = output + column;
            V a = T.Load(to), b = T.Load(to + T.Count), c = T.Load(to + (2 * T.Count)), d = T.Load(to + (3 * T.Count));
            var from = values + column;
            for (var key = 0; key < count; key++, from += width)
            {
                var weight = T.Broadcast(weights[key]);
                a = T.MultiplyAdd(weight, T.Load(from), a);
                b = T.MultiplyAdd(weight, T.Load(from + T.Count), b);
                c = T.MultiplyAdd(weight, T.Load(from + (2 * T.Count)), c);
                d = T.MultiplyAdd(weight, T.Load(from + (3 * T.Count)), d);
            }
            T.Store(a, to);
            T.Store(b, to + T.Count);
            T.Store(c, to + (2 * T.Count));
            T.Store(d, to + (3 * T.Count));
        }
        for (; column + T.Count <= width; column += T.Count)
        {
            var sum = T.Load(output + column);
            for (var key = 0; key < count; key++)
                sum = T.MultiplyAdd(T.Broadcast(weights[key]), T.Load(values + ((long)key * width) + column), sum);
            T.Store(sum, output + column);
        }
        for (; column < width; column++)
        {
            var sum = output[column];
            for (var key = 0; key < count; key++)
                sum += weights[key] * values[((long)key * width) + column];
            output[column] = sum;
        }
    }

    // One query against four keys, which it is read once for.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FourDots<V, T>(float* query, float* keys, float* scores, int width)
        where V : struct
        where T : struct, ILanes<V>
    {
        float* second = keys + width, third = second + width, fourth = third + width;
        V a = T.Broadcast(0), b = a, c = a, d = a;
        var at = 0;
        for (; at + T.Count <= width; at += T.Count)
        {
            var x = T.Load(query + at);
            a = T.MultiplyAdd(x, T.Load(keys + at), a);
            b = T.MultiplyAdd(x, T.Load(second + at), b);
            c = T.MultiplyAdd(x, T.Load(third + at), c);
            d = T.MultiplyAdd(x, T.Load(fourth + at), d);
        }
        float e = T.Sum(a), f = T.Sum(b), g = T.Sum(c), h = T.Sum(d);
        for (; at < width; at++)
        {
            e += query[at] * keys[at];
            f += query[at] * second[at];
            g += query[at] * third[at];
            h += query[at] * fourth[at];
        }
        (scores[0], scores[1], scores[2], scores[3]) = (e, f, g, h);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Dot<V, T>(float* a, float* b, int width)
        where V : struct
        where T : struct, ILanes<V>
    {
        V first = T.Broadcast(0), second = first;
        var at = 0;
        for (; at + (2 * T.Count) <= width; at += 2 * T.Count)
        {
            first = T.MultiplyAdd(T.Load(a + at), T.Load(b + at), first);
            second = T.MultiplyAdd(T.Load(a + at + T.Count), T.Load(b + at + T.Count), second);
        }
        for (; at + T.Count <= width; at += T.Count)
            first = T.MultiplyAdd(T.Load(a + at), T.Load(b + at), first);
        var sum = T.Sum(T.Add(first, second));
        for (; at < width; at++)
            sum += a[at] * b[at];
        return sum;
    }

    // The first R numbers of a head turned by a row of phases (R/2 cosines, R/2 sines), the rest copied.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Turn<V, T>(float* from, float* phases, float* to, in CachedStep step)
        where V : struct
        where T : struct, ILanes<V>
    {
        var turning = (int)step.Rotary!.RotaryDim;
        var half = turning / 2;
        float* cos = phases, sin = phases + half;
        var t = 0;
        if (step.Rotary.IsInterleaved)
        {
            for (; t < half; t++)
            {
                float a = from[2 * t], b = from[(2 * t) + 1];
                to[2 * t] = (a * cos[t]) - (b * sin[t]);
                to[(2 * t) + 1] = (b * cos[t]) + (a * sin[t]);
            }
        }
        for (; t + T.Count <= half; t += T.Count)
        {
            V a = T.Load(from + t), b = T.Load(from + half + t), c = T.Load(cos + t), s = T.Load(sin + t);
            T.Store(T.Subtract(T.Multiply(a, c), T.Multiply(b, s)), to + t);
            T.Store(T.Add(T.Multiply(b, c), T.Multiply(a, s)), to + half + t);
        }
        for (; t < half; t++)
        {
            float a = from[t], b = from[half + t];
            to[t] = (a * cos[t]) - (b * sin[t]);
            to[half + t] = (b * cos[t]) + (a * sin[t]);
        }
        Copy(from + turning, to + turning, step.HeadDim - turning);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy(float* from, float* to, int count) => new ReadOnlySpan<float>(from, count).CopyTo(new Span<float>(to, count));
}
