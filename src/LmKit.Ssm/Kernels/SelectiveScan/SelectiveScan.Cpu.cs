using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace LmKit;

public static unsafe partial class SelectiveScan
{
    // Tokens between the states that backward keeps.
    private const int ChunkLength = 64;

    private static Tensor RecurOnCpu(Tensor dt, Tensor input, Tensor A, Tensor B, Tensor C, Tensor state)
    {
        using var scope = NewDisposeScope();
        var scan = new Scan(dt, A);
        Tensor[] tensors = [dt.contiguous(), input.contiguous(), A.contiguous(), B.contiguous(), C.contiguous(), state.contiguous()];
        var output = empty([scan.Batch, scan.Length + scan.States, scan.Channels], dt.dtype);
        using var steps = new TensorMemory<float>(tensors[0], nameof(dt));
        using var inputs = new TensorMemory<float>(tensors[1], nameof(input));
        using var decays = new TensorMemory<float>(tensors[2], nameof(A));
        using var writes = new TensorMemory<float>(tensors[3], nameof(B));
        using var reads = new TensorMemory<float>(tensors[4], nameof(C));
        using var before = new TensorMemory<float>(tensors[5], nameof(state));
        using var target = new TensorMemory<float>(output, nameof(output));
        var work = scan with { Dt = steps.Start, Input = inputs.Start, A = decays.Start, B = writes.Start, C = reads.Start, State = before.Start, Output = target.Start };
        var tiles = (int)(work.Channels / work.Width);
        WorkerPool.Shared.Run((int)work.Batch * tiles, piece =>
        {
            var (row, tile) = Math.DivRem(piece, tiles);
            if (work.Width == Avx512Lanes.Count)
                Forward<Vector512<float>, Avx512Lanes>(work, row, tile);
            else if (work.Width == Avx2Lanes.Count)
                Forward<Vector256<float>, Avx2Lanes>(work, row, tile);
            else
                Forward<Vector128<float>, PortableLanes>(work, row, tile);
        });
        return output.MoveToOuterDisposeScope();
    }

    private static IReadOnlyList<Tensor?> BackwardOnCpu(Tensor gradient, IReadOnlyList<Tensor> saved)
    {
        using var scope = NewDisposeScope();
        var scan = new Scan(saved[0], saved[2]);
        Tensor[] tensors = [.. saved.Select(tensor => tensor.contiguous())];
        // A is shared by the rows, which run side by side: a gradient of it for each.
        Tensor[] gradients =
        [
            empty_like(tensors[0]), empty_like(tensors[1]), zeros([scan.Batch, scan.States, scan.Channels], gradient.dtype),
            zeros_like(tensors[3]), zeros_like(tensors[4]), empty_like(tensors[5]),
        ];
        using var steps = new TensorMemory<float>(tensors[0], "dt");
        using var inputs = new TensorMemory<float>(tensors[1], "input");
        using var decays = new TensorMemory<float>(tensors[2], "A");
        using var writes = new TensorMemory<float>(tensors[3], "B");
        using var reads = new TensorMemory<float>(tensors[4], "C");
        using var before = new TensorMemory<float>(tensors[5], "state");
        using var upstream = new TensorMemory<float>(gradient, nameof(gradient));
        using var dDt = new TensorMemory<float>(gradients[0], "dt's gradient");
        using var dInput = new TensorMemory<float>(gradients[1], "input's gradient");
        using var dA = new TensorMemory<float>(gradients[2], "A's gradient");
        using var dB = new TensorMemory<float>(gradients[3], "B's gradient");
        using var dC = new TensorMemory<float>(gradients[4], "C's gradient");
        using var dState = new TensorMemory<float>(gradients[5], "state's gradient");
        var work = scan with
        {
            Dt = steps.Start,
            Input = inputs.Start,
            A = decays.Start,
            B = writes.Start,
            C = reads.Start,
            State = before.Start,
            Upstream = upstream.Start,
            DDt = dDt.Start,
            DInput = dInput.Start,
            DA = dA.Start,
            DB = dB.Start,
            DC = dC.Start,
            DState = dState.Start,
        };
        WorkerPool.Shared.Run((int)work.Batch, row =>
        {
            for (var tile = 0; tile < work.Channels / work.Width; tile++)
            {
                if (work.Width == Avx512Lanes.Count)
                    Backward<Vector512<float>, Avx512Lanes>(work, row, tile);
                else if (work.Width == Avx2Lanes.Count)
                    Backward<Vector256<float>, Avx2Lanes>(work, row, tile);
                else
                    Backward<Vector128<float>, PortableLanes>(work, row, tile);
            }
        });
        gradients[2] = gradients[2].sum([0]);
        return [.. gradients.Select((made, index) => saved[index].requires_grad ? made.MoveToOuterDisposeScope() : null)];
    }

    // One row, as many channels as there are lanes.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Forward<V, T>(Scan scan, long row, int tile)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (n, e) = ((int)scan.States, tile * T.Count);
        using var memory = ScratchMemory.Rent(2L * n * T.Count);
        float* h = memory.Start, a = h + n * T.Count;
        Gather<V, T>(scan.A + e, scan.Channels, a, n);
        Gather<V, T>(scan.State + row * n * scan.Channels + e, scan.Channels, h, n);
        var output = scan.Output + row * (scan.Length + n) * scan.Channels + e;
        for (long t = 0; t < scan.Length; t++)
            T.Store(Advance<V, T>(scan, row * scan.Length + t, e, a, h, h), output + t * scan.Channels);
        for (var state = 0; state < n; state++)
            T.Store(T.Load(h + state * T.Count), output + (scan.Length + state) * scan.Channels);
    }

    // One token: the states after it, and C h.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Advance<V, T>(Scan scan, long token, int e, float* a, float* before, float* after)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (dt, x, y) = (T.Load(scan.Dt + token * scan.Channels + e), T.Load(scan.Input + token * scan.Channels + e), T.Broadcast(0));
        float* b = scan.B + token * scan.States, c = scan.C + token * scan.States;
        for (var state = 0; state < scan.States; state++)
        {
            var decay = T.Exp(T.Multiply(dt, T.Load(a + state * T.Count)));
            var h = T.MultiplyAdd(decay, T.Load(before + state * T.Count), T.Multiply(x, T.Broadcast(b[state])));
            T.Store(h, after + state * T.Count);
            y = T.MultiplyAdd(h, T.Broadcast(c[state]), y);
        }
        return y;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Backward<V, T>(Scan scan, long row, int tile)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (n, e) = ((int)scan.States, tile * T.Count);
        var block = n * T.Count;
        var chunks = (int)((scan.Length + ChunkLength - 1) / ChunkLength);
        using var memory = ScratchMemory.Rent((long)block * (chunks + ChunkLength + 4));
        float* a = memory.Start, g = a + block, dA = g + block, starts = dA + block, states = starts + (long)block * chunks;
        Gather<V, T>(scan.A + e, scan.Channels, a, n);
        Gather<V, T>(scan.Upstream + (row * (scan.Length + n) + scan.Length) * scan.Channels + e, scan.Channels, g, n);
        new Span<float>(dA, block).Clear();
        Gather<V, T>(scan.State + row * n * scan.Channels + e, scan.Channels, states, n);
        for (long t = 0; t < scan.Length; t++)
        {
            if (t % ChunkLength == 0)
                new ReadOnlySpan<float>(states, block).CopyTo(new Span<float>(starts + t / ChunkLength * block, block));
            _ = Advance<V, T>(scan, row * scan.Length + t, e, a, states, states);
        }
        for (var chunk = chunks - 1; chunk >= 0; chunk--)
        {
            var (first, last) = ((long)chunk * ChunkLength, Math.Min(scan.Length, (chunk + 1L) * ChunkLength));
            new ReadOnlySpan<float>(starts + (long)chunk * block, block).CopyTo(new Span<float>(states, block));
            for (var t = first; t < last; t++)
                _ = Advance<V, T>(scan, row * scan.Length + t, e, a, states + (t - first) * block, states + (t - first + 1) * block);
            for (var t = last - 1; t >= first; t--)
                Retreat<V, T>(scan, row, t, e, a, g, dA, states + (t - first) * block);
        }
        for (var state = 0; state < n; state++)
        {
            T.Store(T.Load(dA + state * T.Count), scan.DA + (row * n + state) * scan.Channels + e);
            T.Store(T.Load(g + state * T.Count), scan.DState + (row * n + state) * scan.Channels + e);
        }
    }

    // One token backwards: g is the gradient of the states after it on entry, before it on return; states are before and after it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Retreat<V, T>(Scan scan, long row, long t, int e, float* a, float* g, float* dA, float* states)
        where V : struct
        where T : struct, ILanes<V>
    {
        var token = row * scan.Length + t;
        var upstream = T.Load(scan.Upstream + (row * (scan.Length + scan.States) + t) * scan.Channels + e);
        var (dt, x) = (T.Load(scan.Dt + token * scan.Channels + e), T.Load(scan.Input + token * scan.Channels + e));
        var (dInput, dDt) = (T.Broadcast(0), T.Broadcast(0));
        var after = states + scan.States * T.Count;
        for (var state = 0; state < scan.States; state++)
        {
            var (at, place) = (token * scan.States + state, state * T.Count);
            var gradient = T.MultiplyAdd(upstream, T.Broadcast(scan.C[at]), T.Load(g + place));
            scan.DC[at] += T.Sum(T.Multiply(upstream, T.Load(after + place)));
            scan.DB[at] += T.Sum(T.Multiply(gradient, x));
            dInput = T.MultiplyAdd(gradient, T.Broadcast(scan.B[at]), dInput);
            var decayed = T.Multiply(gradient, T.Exp(T.Multiply(dt, T.Load(a + place))));
            var exponent = T.Multiply(decayed, T.Load(states + place));
            dDt = T.MultiplyAdd(exponent, T.Load(a + place), dDt);
            T.Store(T.MultiplyAdd(exponent, dt, T.Load(dA + place)), dA + place);
            T.Store(decayed, g + place);
        }
        T.Store(dInput, scan.DInput + token * scan.Channels + e);
        T.Store(dDt, scan.DDt + token * scan.Channels + e);
    }

    private static void Gather<V, T>(float* from, long stride, float* to, int count)
        where V : struct
        where T : struct, ILanes<V>
    {
        for (var index = 0; index < count; index++)
            T.Store(T.Load(from + index * stride), to + index * T.Count);
    }

    private readonly struct Scan
    {
        internal Scan(Tensor dt, Tensor A)
        {
            (Batch, Length, Channels, States) = (dt.size(0), dt.size(1), dt.size(2), A.size(0));
            Width = SimdWidth.Bits >= 512 && Channels % Avx512Lanes.Count == 0 ? Avx512Lanes.Count
                : SimdWidth.Bits >= 256 && Channels % Avx2Lanes.Count == 0 ? Avx2Lanes.Count
                : PortableLanes.Count;
        }

        internal long Batch { get; }

        internal long Length { get; }

        internal long Channels { get; }

        internal long States { get; }

        internal int Width { get; }

        internal float* Dt { get; init; }

        internal float* Input { get; init; }

        internal float* A { get; init; }

        internal float* B { get; init; }

        internal float* C { get; init; }

        internal float* State { get; init; }

        internal float* Output { get; init; }

        internal float* Upstream { get; init; }

        internal float* DDt { get; init; }

        internal float* DInput { get; init; }

        internal float* DA { get; init; }

        internal float* DB { get; init; }

        internal float* DC { get; init; }

        internal float* DState { get; init; }
    }
}
