using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

internal static unsafe partial class LambdaAttention
{
    // The tensors of a call as the loops read them; everything is made in the caller's dispose scope.
    private readonly ref struct Prepared
    {
        private readonly TensorMemory<float> queries;
        private readonly TensorMemory<float> farQueries;
        private readonly TensorMemory<float> keys;
        private readonly TensorMemory<float> farKeys;
        private readonly TensorMemory<float> values;
        private readonly TensorMemory<float> sinks;

        internal Prepared(LambdaParts parts, int lanes)
        {
            var none = empty(0);
            queries = new TensorMemory<float>(parts.Queries.contiguous(), nameof(parts.Queries));
            farQueries = new TensorMemory<float>(parts.FarQueries?.contiguous() ?? none, nameof(parts.FarQueries));
            keys = new TensorMemory<float>(Turned(parts.Keys, lanes), nameof(parts.Keys));
            farKeys = new TensorMemory<float>(parts.FarKeys is { } far ? Turned(far, lanes) : none, nameof(parts.FarKeys));
            values = new TensorMemory<float>(Wide(parts.Values, lanes), nameof(parts.Values));
            sinks = new TensorMemory<float>(parts.Sinks?.contiguous() ?? none, nameof(parts.Sinks));
        }

        internal LambdaCall Call(LambdaParts parts, int width) => new()
        {
            Rows = (int)parts.Queries.size(0),
            Heads = (int)parts.Queries.size(1),
            KeyHeads = (int)parts.Keys.size(1),
            Length = (int)parts.Queries.size(2),
            Held = (int)parts.Keys.size(2),
            Far = parts.Ranges.MostFar,
            HeadDim = (int)parts.Queries.size(3),
            Width = width,
            Scale = (float)(1 / Math.Sqrt(parts.Queries.size(3))),
            SoftCap = (float)(parts.SoftCap ?? 0),
            Queries = queries.Start,
            FarQueries = farQueries.Start,
            Keys = keys.Start,
            FarKeys = farKeys.Start,
            Values = values.Start,
            Sinks = sinks.Start,
            Slopes = parts.Encoding is AlibiEncoding alibi ? Array.ConvertAll(alibi.Slopes.ToArray(), slope => (float)slope) : null,
            Parts = parts,
        };

        internal void Dispose()
        {
            queries.Dispose();
            farQueries.Dispose();
            keys.Dispose();
            farKeys.Dispose();
            values.Dispose();
            sinks.Dispose();
        }
    }

    // Rows filled up with zeros to whole vectors.
    private static Tensor Wide(Tensor x, int lanes)
    {
        var missing = (lanes - (x.size(3) % lanes)) % lanes;
        return missing == 0 ? x.contiguous() : nn.functional.pad(x, [0, missing]);
    }

    // (B, Hkv, M, P) to tiles (B Hkv, tiles, P, 64), zeros behind the last key.
    private static Tensor Turned(Tensor keys, int lanes)
    {
        var (heads, held, width) = ((int)(keys.size(0) * keys.size(1)), (int)keys.size(2), (int)keys.size(3));
        var tiles = (held + LambdaCall.KeyTile - 1) / LambdaCall.KeyTile;
        var turned = empty([heads, tiles, width, LambdaCall.KeyTile], ScalarType.Float32);
        using var source = new TensorMemory<float>(keys.contiguous(), nameof(keys));
        using var target = new TensorMemory<float>(turned, nameof(keys));
        var work = new Turning(source.Start, target.Start, held, width, tiles);
        var threads = keys.numel() < ProductsForThreads ? 1 : 0;
        if (lanes == 16)
            WorkerPool.Shared.Run(heads * tiles, piece => work.Tile<Vector512<float>, Avx512Lanes>(piece), threads);
        else if (lanes == 8)
            WorkerPool.Shared.Run(heads * tiles, piece => work.Tile<Vector256<float>, Avx2Lanes>(piece), threads);
        else
            WorkerPool.Shared.Run(heads * tiles, piece => work.Tile<Vector128<float>, PortableLanes>(piece), threads);
        return turned;
    }

    private readonly struct Turning(float* source, float* target, int held, int width, int tiles)
    {
        private readonly float* from = source;
        private readonly float* to = target;

        internal void Tile<V, T>(int piece)
            where V : struct
            where T : struct, ILanes<V>
        {
            var (head, first) = (piece / tiles, piece % tiles * LambdaCall.KeyTile);
            var rows = from + (((long)head * held) + first) * width;
            RowTiles<V, T>.In(rows, width, Math.Min(LambdaCall.KeyTile, held - first), width, to + ((long)piece * width * LambdaCall.KeyTile), LambdaCall.KeyTile, width);
        }
    }
}
