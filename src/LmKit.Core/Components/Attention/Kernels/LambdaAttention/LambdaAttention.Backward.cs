using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

internal static unsafe partial class LambdaAttention
{
    // What backward reads and writes beside the forward pass's memory.
    private readonly struct Gradients
    {
        // (B, H, L, P + 2): of the outputs; then its product with them, and the log of the softmax's sum.
        internal float* Outputs { get; init; }

        // Keys in rows (B, Hkv, M, width), and far ones.
        internal float* KeyRows { get; init; }

        internal float* FarKeyRows { get; init; }

        // Values in turned tiles, as the keys are.
        internal float* TurnedValues { get; init; }

        internal float* ForQueries { get; init; }

        internal float* ForFarQueries { get; init; }

        // (B, Hkv, M, width), added to.
        internal float* ForKeys { get; init; }

        internal float* ForFarKeys { get; init; }

        internal float* ForValues { get; init; }

        // (B, H), or null.
        internal float* ForSinks { get; init; }
    }

    // The outputs of what the forward pass packed. Its backward hands the packed numbers on: the gradient of the outputs, its product with them, and
    // the log of the softmax's sum, in the places of the outputs and of the two numbers behind them.
    private static Tensor OutputsOf(Tensor packed, long width) => KernelFunction.Run(
        [packed],
        () =>
        {
            using var outputs = packed.narrow(3, 0, width);
            return outputs.contiguous();
        },
        (gradient, given) =>
        {
            var product = (gradient * given[0].narrow(3, 0, width)).sum([3L], keepdim: true);
            return [cat([gradient, product, given[0].narrow(3, width, 1)], 3)];
        });

    private static List<Tensor?> Backward(LambdaParts parts, Tensor gradient, IReadOnlyList<Tensor> given, bool hasFar)
    {
        var hasSinks = given.Count > (hasFar ? 5 : 3);
        parts = parts with
        {
            Queries = given[0],
            Keys = given[1],
            Values = given[2],
            FarQueries = hasFar ? given[3] : null,
            FarKeys = hasFar ? given[4] : null,
            Sinks = hasSinks ? given[^1] : null,
        };
        var lanes = SimdWidth.Bits / 32;
        var width = ((int)parts.Queries.size(3) + lanes - 1) / lanes * lanes;
        Tensor Zeros(Tensor like) => zeros([like.size(0), like.size(1), like.size(2), width], ScalarType.Float32);
        var (forQueries, forFarQueries) = (empty(parts.Queries.shape, ScalarType.Float32), hasFar ? zeros(parts.Queries.shape, ScalarType.Float32) : empty(0));
        var (forKeys, forValues, forFarKeys) = (Zeros(parts.Keys), Zeros(parts.Values), hasFar ? Zeros(parts.FarKeys!) : empty(0));
        var forSinks = empty(parts.Queries.size(0), hasSinks ? parts.Queries.size(1) : 0);
        using var prepared = new Prepared(parts, lanes);
        using var outputs = new TensorMemory<float>(gradient, nameof(gradient));
        using var keyRows = new TensorMemory<float>(Wide(parts.Keys, lanes), nameof(parts.Keys));
        using var farKeyRows = new TensorMemory<float>(hasFar ? Wide(parts.FarKeys!, lanes) : empty(0), nameof(parts.FarKeys));
        using var turnedValues = new TensorMemory<float>(Turned(parts.Values, lanes), nameof(parts.Values));
        using var queryGradients = new TensorMemory<float>(forQueries, nameof(forQueries));
        using var farQueryGradients = new TensorMemory<float>(forFarQueries, nameof(forFarQueries));
        using var keyGradients = new TensorMemory<float>(forKeys, nameof(forKeys));
        using var farKeyGradients = new TensorMemory<float>(forFarKeys, nameof(forFarKeys));
        using var valueGradients = new TensorMemory<float>(forValues, nameof(forValues));
        using var sinkGradients = new TensorMemory<float>(forSinks, nameof(forSinks));
        var call = prepared.Call(parts, width) with { OutputStride = (int)gradient.size(3) };
        var gradients = new Gradients
        {
            Outputs = outputs.Start,
            KeyRows = keyRows.Start,
            FarKeyRows = farKeyRows.Start,
            TurnedValues = turnedValues.Start,
            ForQueries = queryGradients.Start,
            ForFarQueries = farQueryGradients.Start,
            ForKeys = keyGradients.Start,
            ForFarKeys = farKeyGradients.Start,
            ForValues = valueGradients.Start,
            ForSinks = sinkGradients.Start,
        };
        if (lanes == 16)
            Backward<Vector512<float>, Avx512Lanes>(call, gradients);
        else if (lanes == 8)
            Backward<Vector256<float>, Avx2Lanes>(call, gradients);
        else
            Backward<Vector128<float>, PortableLanes>(call, gradients);
        List<Tensor?> all = [Wanted(0, forQueries), Wanted(1, forKeys), Wanted(2, forValues)];
        if (hasFar)
            all.AddRange([Wanted(3, forFarQueries), Wanted(4, forFarKeys)]);
        if (hasSinks)
            all.Add(given[^1].requires_grad ? forSinks.sum([0L]) : null);
        return all;

        Tensor? Wanted(int index, Tensor made) => !given[index].requires_grad ? null : made.size(3) == given[index].size(3) ? made : made.narrow(3, 0, given[index].size(3)).contiguous();
    }

    // The heads that share a key head add to its gradients one after another, so those do not depend on the threads.
    private static void Backward<V, T>(LambdaCall call, Gradients gradients)
        where V : struct
        where T : struct, ILanes<V>
    {
        WorkerPool.Shared.Run(call.Rows * call.KeyHeads, piece =>
        {
            var sharing = call.Heads / call.KeyHeads;
            for (var share = 0; share < sharing; share++)
            {
                var index = (piece / call.KeyHeads * call.Heads) + (piece % call.KeyHeads * sharing) + share;
                var forSink = 0.0;
                for (var start = 0; start < call.Length; start += QueryTile)
                    forSink += BackwardTile<V, T>(call, gradients, index, piece, start);
                if (call.Sinks is not null)
                    gradients.ForSinks[index] = (float)forSink;
            }
        }, Threads(call));
    }

    // A tile of queries of one head; gives what it adds to the sink's gradient.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double BackwardTile<V, T>(in LambdaCall call, in Gradients gradients, int index, int keyIndex, int start)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (head, wide, count) = (index % call.Heads, call.Width, Math.Min(QueryTile, call.Length - start));
        var ranges = call.Parts.Ranges;
        const int tile = QueryTile * LambdaCall.KeyTile;
        using var memory = ScratchMemory.Rent((3L * QueryTile * wide) + (3 * tile) + (2 * QueryTile));
        float* queries = memory.Start, upstream = queries + (QueryTile * wide), forQueries = upstream + (QueryTile * wide), weights = forQueries + (QueryTile * wide);
        var work = new BackwardWork
        {
            Call = call,
            Head = head,
            Start = start,
            Count = count,
            Queries = queries,
            Upstream = upstream,
            ForQueries = forQueries,
            Weights = weights,
            Slopes = weights + tile,
            Factors = weights + (2 * tile),
            Products = weights + (3 * tile),
            Sums = weights + (3 * tile) + QueryTile,
        };
        var source = ((long)index * call.Length + start) * call.HeadDim;
        Upstream<V, T>(work, gradients.Outputs + (((long)index * call.Length + start) * call.OutputStride));
        var values = gradients.TurnedValues + ((long)keyIndex * call.KeyTiles * call.HeadDim * LambdaCall.KeyTile);
        var forValues = gradients.ForValues + ((long)keyIndex * call.Held * wide);
        var far = ranges.Far[start + count - 1];
        if (far > 0)
        {
            LambdaTile<V, T>.Load(call, call.FarQueries + source, count, call.Scale, queries);
            new Span<float>(forQueries, count * wide).Clear();
            var keys = call.FarKeys + ((long)keyIndex * call.FarTiles * call.HeadDim * LambdaCall.KeyTile);
            var offset = (long)keyIndex * call.Far * wide;
            for (var first = 0; first < far; first += LambdaCall.KeyTile)
                work.Meet<V, T>(keys + ((long)first * call.HeadDim), gradients.FarKeyRows + offset, values + ((long)first * call.HeadDim), gradients.ForFarKeys + offset, forValues, first, isFar: true);
            work.Store(gradients.ForFarQueries + source);
        }
        LambdaTile<V, T>.Load(call, call.Queries + source, count, call.Scale, queries);
        new Span<float>(forQueries, count * wide).Clear();
        var near = call.Keys + ((long)keyIndex * call.KeyTiles * call.HeadDim * LambdaCall.KeyTile);
        var rows = (long)keyIndex * call.Held * wide;
        for (var first = ranges.From[start] / LambdaCall.KeyTile * LambdaCall.KeyTile; first < ranges.End[start + count - 1]; first += LambdaCall.KeyTile)
            work.Meet<V, T>(near + ((long)first * call.HeadDim), gradients.KeyRows + rows, values + ((long)first * call.HeadDim), gradients.ForKeys + rows, forValues, first, isFar: false);
        work.Store(gradients.ForQueries + source);
        var forSink = 0.0;
        for (var row = 0; call.Sinks is not null && row < count; row++)
            forSink -= Math.Exp(call.Sinks[head] - work.Sums[row]) * work.Products[row]; // its value is zero
        return forSink;
    }

    // The outputs' gradients in rows of whole vectors, and what was packed behind them.
    private static void Upstream<V, T>(in BackwardWork work, float* source)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (width, wide) = (work.Call.HeadDim, work.Call.Width);
        for (var row = 0; row < work.Count; row++, source += work.Call.OutputStride)
        {
            var target = work.Upstream + (row * wide);
            new ReadOnlySpan<float>(source, width).CopyTo(new Span<float>(target, width));
            new Span<float>(target + width, wide - width).Clear();
            (work.Products[row], work.Sums[row]) = (source[width], source[width + 1]);
        }
    }
}
