using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

internal static unsafe partial class LambdaAttention
{
    // Queries of a tile, and those that meet a key tile at once: as many as the registers serve.
    private const int QueryTile = 96;
    private const int GroupRows = 6;

    // Multiplications below which a second thread costs more than it saves.
    private const long ProductsForThreads = 1 << 20;

    private static bool IsServed(LambdaParts parts) =>
        KernelSelection.Current == KernelChoice.Cpu
        && parts.Encoding is null or RotaryEmbedding or AlibiEncoding
        && parts.Queries.device_type == DeviceType.CPU
        && parts.Queries.dtype == ScalarType.Float32 && parts.Keys.dtype == ScalarType.Float32 && parts.Values.dtype == ScalarType.Float32
        && parts.Sinks is null or { dtype: ScalarType.Float32 };

    private static Tensor OnCpu(LambdaParts parts)
    {
        Tensor[] inputs = [parts.Queries, parts.Keys, parts.Values, .. new[] { parts.FarQueries, parts.FarKeys, parts.Sinks }.OfType<Tensor>()];
        if (!(is_grad_enabled() && inputs.Any(input => input.requires_grad)))
            return Forward(parts, hasSums: false);
        // Backward needs the outputs, and gets them as the input of a second step; see OutputsOf.
        using var scope = NewDisposeScope();
        var (choice, hasFar) = (parts, parts.FarQueries is not null);
        var packed = KernelFunction.Run(inputs, () => Forward(choice, hasSums: true), (gradient, given) => Backward(choice, gradient, given, hasFar));
        return OutputsOf(packed, parts.Queries.size(3)).MoveToOuterDisposeScope();
    }

    // (B, H, L, P), or with two numbers more: the log of each softmax's sum, and room for another.
    private static Tensor Forward(LambdaParts parts, bool hasSums)
    {
        using var scope = NewDisposeScope();
        var shape = parts.Queries.shape;
        var lanes = SimdWidth.Bits / 32;
        var width = ((int)shape[3] + lanes - 1) / lanes * lanes;
        var y = empty([shape[0], shape[1], shape[2], shape[3] + (hasSums ? 2 : 0)], ScalarType.Float32);
        using var prepared = new Prepared(parts, lanes);
        using var outputs = new TensorMemory<float>(y, nameof(y));
        var call = prepared.Call(parts, width) with { Outputs = outputs.Start, OutputStride = (int)y.size(3) };
        if (lanes == 16)
            Forward<Vector512<float>, Avx512Lanes>(call, hasSums);
        else if (lanes == 8)
            Forward<Vector256<float>, Avx2Lanes>(call, hasSums);
        else
            Forward<Vector128<float>, PortableLanes>(call, hasSums);
        return y.MoveToOuterDisposeScope();
    }

    private static void Forward<V, T>(LambdaCall call, bool hasSums)
        where V : struct
        where T : struct, ILanes<V>
    {
        var tiles = (call.Length + QueryTile - 1) / QueryTile;
        var heads = call.Rows * call.Heads;
        WorkerPool.Shared.Run(heads * tiles, piece => ForwardTile<V, T>(call, piece / tiles, piece % tiles * QueryTile, hasSums), Threads(call));
    }

    private static int Threads(in LambdaCall call) =>
        2L * call.Rows * call.Heads * call.Length * Math.Min(call.Held, call.Parts.Reach.Window) * call.HeadDim < ProductsForThreads ? 1 : 0;

    // A tile of queries of one head of one row; index counts rows and heads.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ForwardTile<V, T>(in LambdaCall call, int index, int start, bool hasSums)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (head, wide, count) = (index % call.Heads, call.Width, Math.Min(QueryTile, call.Length - start));
        var keyIndex = (index / call.Heads * call.KeyHeads) + call.KeyHead(head);
        var ranges = call.Parts.Ranges;
        using var memory = ScratchMemory.Rent((3L * QueryTile * wide) + (GroupRows * LambdaCall.KeyTile) + (QueryTile * (1 + T.Count)));
        float* queries = memory.Start, farQueries = queries + (QueryTile * wide), sums = farQueries + (QueryTile * wide), scores = sums + (QueryTile * wide);
        float* largest = scores + (GroupRows * LambdaCall.KeyTile), totals = largest + QueryTile;
        new Span<float>(sums, count * wide).Clear();
        new Span<float>(largest, count).Fill(call.Sinks is null ? float.NegativeInfinity : call.Sinks[head]);
        new Span<float>(totals, count * T.Count).Clear();
        for (var row = 0; call.Sinks is not null && row < count; row++)
            totals[row * T.Count] = 1;
        var source = ((long)index * call.Length + start) * call.HeadDim;
        LambdaTile<V, T>.Load(call, call.Queries + source, count, call.Scale, queries);
        var values = call.Values + ((long)keyIndex * call.Held * wide);
        var far = ranges.Far[start + count - 1];
        if (far > 0)
        {
            LambdaTile<V, T>.Load(call, call.FarQueries + source, count, call.Scale, farQueries);
            var keys = call.FarKeys + ((long)keyIndex * call.FarTiles * call.HeadDim * LambdaCall.KeyTile);
            for (var first = 0; first < far; first += LambdaCall.KeyTile)
                Meet<V, T>(call, head, start, count, farQueries, keys + ((long)first * call.HeadDim), values, first, isFar: true, scores, sums, largest, totals);
        }
        var near = call.Keys + ((long)keyIndex * call.KeyTiles * call.HeadDim * LambdaCall.KeyTile);
        for (var first = ranges.From[start] / LambdaCall.KeyTile * LambdaCall.KeyTile; first < ranges.End[start + count - 1]; first += LambdaCall.KeyTile)
            Meet<V, T>(call, head, start, count, queries, near + ((long)first * call.HeadDim), values, first, isFar: false, scores, sums, largest, totals);
        var output = call.Outputs + (((long)index * call.Length + start) * call.OutputStride);
        for (var row = 0; row < count; row++, output += call.OutputStride, sums += wide)
        {
            var total = T.Sum(T.Load(totals + (row * T.Count)));
            var by = total > 0 ? 1 / total : 0;
            int at = 0;
            for (var factor = T.Broadcast(by); at + T.Count <= call.HeadDim; at += T.Count)
                T.Store(T.Multiply(T.Load(sums + at), factor), output + at);
            for (; at < call.HeadDim; at++)
                output[at] = sums[at] * by;
            if (hasSums)
                output[call.HeadDim] = total > 0 ? largest[row] + MathF.Log(total) : float.NegativeInfinity;
        }
    }

    // The queries of a tile and one tile of keys.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Meet<V, T>(
        in LambdaCall call, int head, int start, int count, float* queries, float* keys, float* values, int first, bool isFar, float* scores, float* sums, float* largest, float* totals)
        where V : struct
        where T : struct, ILanes<V>
    {
        var wide = call.Width;
        for (var row = 0; row < count; row += GroupRows)
        {
            var rows = Math.Min(GroupRows, count - row);
            // Ranges grow, so those of the group lie between its first and its last row's.
            var seen = LambdaTile<V, T>.Range(call, start + row, first, isFar).Seen;
            var behind = LambdaTile<V, T>.Range(call, start + row + rows - 1, first, isFar).Behind;
            if (seen >= behind)
                continue;
            int low = seen / T.Count, high = (behind + T.Count - 1) / T.Count;
            LambdaTile<V, T>.Scores(call, head, start + row, rows, queries + (row * wide), keys, first, low, high, isFar, scores);
            for (var one = 0; one < rows; one++)
                Weigh<V, T>(scores + (one * LambdaCall.KeyTile), low, high, sums + ((row + one) * wide), wide, largest + row + one, totals + ((row + one) * T.Count));
            BlockProduct<V, T>.Run(scores + seen, LambdaCall.KeyTile, 1, values + ((long)(first + seen) * wide), wide, sums + (row * wide), wide, null, rows, behind - seen, wide / T.Count, adds: true);
        }
    }

    // A running softmax: scores become e^(score - largest), and what was summed before is brought to the same largest score.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Weigh<V, T>(float* scores, int low, int high, float* sums, int wide, float* largest, float* total)
        where V : struct
        where T : struct, ILanes<V>
    {
        var most = T.Load(scores + (low * T.Count));
        for (var vector = low + 1; vector < high; vector++)
            most = T.Max(most, T.Load(scores + (vector * T.Count)));
        var highest = MathF.Max(*largest, SoftmaxLanes.Largest(most));
        if (float.IsNegativeInfinity(highest))
        {
            for (var vector = low; vector < high; vector++)
                T.Store(T.Broadcast(0), scores + (vector * T.Count));
            return;
        }
        if (highest > *largest)
        {
            var by = MathF.Exp(*largest - highest); // 0 at first
            var factor = T.Broadcast(by);
            for (var at = 0; at < wide; at += T.Count)
                T.Store(T.Multiply(T.Load(sums + at), factor), sums + at);
            T.Store(T.Multiply(T.Load(total), factor), total);
            *largest = highest;
        }
        V offset = T.Broadcast(highest), all = T.Load(total);
        for (var vector = low; vector < high; vector++)
        {
            var weight = SoftmaxLanes.Exp<V, T>(T.Subtract(T.Load(scores + (vector * T.Count)), offset));
            T.Store(weight, scores + (vector * T.Count));
            all = T.Add(all, weight);
        }
        T.Store(all, total);
    }
}
