using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

internal sealed unsafe partial class H3Step
{
    // Tables of a block of heads stay in the first cache while the rows pass.
    private const long BlockFloats = 4096;

    // Below this much carried memory a second thread costs more than it saves.
    private const long FloatsForThreads = 1 << 17;

    private Tensor Cpu(Tensor[] inputs, Tensor[] carry)
    {
        using var scope = NewDisposeScope();
        lock (gate)
            tables ??= new H3StepTables(diagonal, taps, headDim);
        var output = empty(inputs[0].shape, ScalarType.Float32);
        using var table = new TensorMemory<float>(tables.Table, nameof(tables));
        using var q = new TensorMemory<float>(inputs[0].contiguous(), "q");
        using var k = new TensorMemory<float>(inputs[1].contiguous(), "k");
        using var v = new TensorMemory<float>(inputs[2].contiguous(), "v");
        using var recent = new TensorMemory<float>(carry[0], "the last keys");
        using var state = new TensorMemory<float>(carry[1], "the diagonal state");
        using var y = new TensorMemory<float>(output, nameof(output));
        var token = new Token(tables, inputs[0].size(0), inputs[0].size(2) / headDim)
        {
            Table = table.Start,
            Q = q.Start,
            K = k.Start,
            V = v.Start,
            Recent = recent.Start,
            State = state.Start,
            Y = y.Start,
        };
        var block = token.Block;
        var pieces = (int)((token.Heads + block - 1) / block);
        var threads = recent.Count + state.Count < FloatsForThreads ? 1 : 0;
        WorkerPool.Shared.Run(pieces, piece => Run(token, piece * block, Math.Min((piece + 1) * block, token.Heads)), threads);
        return output.MoveToOuterDisposeScope();
    }

    private static void Run(Token token, long first, long end)
    {
        if (token.Width == Avx512Lanes.Count)
            Run<Vector512<float>, Avx512Lanes>(token, first, end);
        else if (token.Width == Avx2Lanes.Count)
            Run<Vector256<float>, Avx2Lanes>(token, first, end);
        else
            Run<Vector128<float>, PortableLanes>(token, first, end);
    }

    // The heads of a block, row after row.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<V, T>(Token token, long first, long end)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (hd, n, width) = (token.HeadDim, token.StateFloats, token.Heads * token.HeadDim);
        using var memory = ScratchMemory.Rent((end - first) * hd);
        for (long row = 0; row < token.Rows; row++)
        {
            var shifted = memory.Start;
            for (var head = first; head < end; head++)
            {
                float* tap = token.Table + (head * token.Stride), others = tap + hd;
                for (var channel = head * hd; channel < (head + 1) * hd; channel++, tap++, others += token.OtherTaps)
                {
                    var keys = token.Recent + ((row * width + channel) * token.ShiftDim);
                    Prefetch(keys + (token.Block * hd * token.ShiftDim), token.ShiftDim);
                    *shifted++ = Shift<V, T>(keys, token.K[row * width + channel], *tap, others, token);
                }
            }
            shifted = memory.Start;
            for (var head = first; head < end; head++, shifted += hd)
            {
                var diagonal = token.Table + (head * token.Stride) + (hd * (1 + token.OtherTaps));
                var skip = diagonal[3 * n];
                float* q = token.Q + (row * width) + (head * hd), v = token.V + (row * width) + (head * hd), y = token.Y + (row * width) + (head * hd);
                for (long j = 0; j < hd; j++)
                {
                    var sum = 0f;
                    for (long i = 0; i < hd; i++)
                    {
                        var u = shifted[i] * v[j];
                        var state = token.State + (((((row * hd) + i) * hd + j) * token.Heads + head) * n);
                        Prefetch(state + (token.Block * n), n);
                        sum += q[i] * (Advance<V, T>(state, diagonal, n, u) + (skip * u));
                    }
                    y[j] = sum;
                }
            }
        }
    }

    // Asks for what the next block of heads will find in memory at the same row; a hint, which an address outside the tensor does not harm.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* start, long count)
    {
        if (!Sse.IsSupported)
            return;
        for (var at = 0L; at < count; at += H3StepTables.LineFloats)
            Sse.Prefetch0(start + at);
    }

    // Moves a channel's keys one place on, puts the new one in front, and reads all of them through the taps.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Shift<V, T>(float* keys, float key, float tap, float* others, in Token token)
        where V : struct
        where T : struct, ILanes<V>
    {
        var sum = key * tap;
        if (token.TapVectors > 0)
        {
            // The last vector may overlap the one before it, which is therefore read first.
            var place = keys + (token.ShiftDim - 1 - T.Count);
            var read = others + ((token.TapVectors - 1) * T.Count);
            var moved = T.Load(place);
            var products = T.Multiply(moved, T.Load(read));
            for (var before = keys + ((token.TapVectors - 2) * T.Count); before >= keys; before -= T.Count)
            {
                var next = T.Load(before);
                T.Store(moved, place + 1);
                read -= T.Count;
                products = T.MultiplyAdd(next, T.Load(read), products);
                moved = next;
                place = before;
            }
            T.Store(moved, place + 1);
            sum += T.Sum(products);
        }
        else
        {
            for (var place = token.ShiftDim - 1; place > 0; place--)
            {
                keys[place] = keys[place - 1];
                sum += keys[place] * others[place - 1];
            }
        }
        keys[0] = key;
        return sum;
    }

    // X <- A X + B u; gives 2 Re of the sum of C X. The tables are A, B and the readout, n numbers each.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Advance<V, T>(float* state, float* tables, long n, float u)
        where V : struct
        where T : struct, ILanes<V>
    {
        float* input = tables + n, readout = input + n;
        V broadcast = T.Broadcast(u), products = T.Broadcast(0);
        long at = 0;
        for (; at + T.Count <= n; at += T.Count)
        {
            var next = T.MultiplyAdd(T.Load(input + at), broadcast, T.MultiplyComplex(T.Load(state + at), T.Load(tables + at)));
            T.Store(next, state + at);
            products = T.MultiplyAdd(next, T.Load(readout + at), products);
        }
        var sum = T.Sum(products);
        for (; at < n; at += 2)
        {
            float re = state[at], im = state[at + 1];
            state[at] = (re * tables[at]) - (im * tables[at + 1]) + (input[at] * u);
            state[at + 1] = (re * tables[at + 1]) + (im * tables[at]) + (input[at + 1] * u);
            sum += (state[at] * readout[at]) + (state[at + 1] * readout[at + 1]);
        }
        return sum;
    }

    // One token of every row.
    private readonly struct Token
    {
        internal Token(H3StepTables tables, long rows, long heads)
        {
            (Rows, Heads, HeadDim, ShiftDim, StateFloats) = (rows, heads, tables.HeadDim, tables.ShiftDim, tables.StateFloats);
            (Stride, Width, TapVectors) = (tables.Stride, tables.Width, tables.TapVectors);
            Block = Math.Clamp(BlockFloats / Stride, 1, heads);
            OtherTaps = TapVectors > 0 ? TapVectors * Width : ShiftDim - 1;
        }

        internal long Rows { get; }

        internal long Heads { get; }

        internal long HeadDim { get; }

        internal long ShiftDim { get; }

        internal long StateFloats { get; }

        internal long Stride { get; }

        internal long Block { get; }

        internal int Width { get; }

        internal long TapVectors { get; }

        internal long OtherTaps { get; }

        internal float* Table { get; init; }

        internal float* Q { get; init; }

        internal float* K { get; init; }

        internal float* V { get; init; }

        internal float* Recent { get; init; }

        internal float* State { get; init; }

        internal float* Y { get; init; }
    }
}
