using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

public static unsafe partial class MonarchMultiply
{
    // What backward adds to a call: gradients, and what the factors' gradients are made of.
    private readonly struct BackwardCall
    {
        internal Call Call { get; init; }

        // Of the outputs (B, out), as it came.
        internal float* Gradient { get; init; }

        // Of the inputs (B, in); null where none is asked for.
        internal float* ForX { get; init; }

        // The outputs' gradients in tiles (tiles, s l, width).
        internal float* Upstream { get; init; }

        // The gradients of y in tiles (tiles, k q, width).
        internal float* ForY { get; init; }

        // y in rows, in the order that L reads, (B, YStride).
        internal float* Y { get; init; }

        internal long YStride { get; init; }

        // Inputs in rows (B, XStride), a whole vector readable behind each block.
        internal float* X { get; init; }

        internal long XStride { get; init; }

        // The factors' gradients (k, q, wide p) and (l, s, wide r).
        internal float* ForFirst { get; init; }

        internal float* ForSecond { get; init; }

        internal int FirstWidth { get; init; }

        internal int SecondWidth { get; init; }
    }

    private static List<Tensor?> BackwardOnCpu(Tensor gradient, IReadOnlyList<Tensor> inputs, long outFeatures)
    {
        var (x, first, second) = (inputs[0], inputs[1], inputs[2]);
        var shape = MonarchShape.Of(x, first, second, outFeatures);
        var lanes = SimdWidth.Bits / 32;
        var width = lanes * Math.Min(3, (shape.Rows + lanes - 1) / lanes);
        var tiles = (shape.Rows + width - 1) / width;
        var (firstWidth, secondWidth) = (Whole(shape.P, lanes), Whole(shape.R, lanes));
        var forX = x.requires_grad ? empty(x.shape, ScalarType.Float32) : null;
        var forFirst = empty([shape.K, shape.Q, firstWidth], ScalarType.Float32);
        var forSecond = empty([shape.L, shape.S, secondWidth], ScalarType.Float32);
        var upstream = empty([tiles, shape.Outputs, width], ScalarType.Float32);
        var forY = empty([tiles, shape.Middle, width], ScalarType.Float32);
        long yStride = shape.Middle + lanes;
        var y = zeros([shape.Rows, yStride], ScalarType.Float32);
        var isReady = shape.InFeatures == shape.Inputs && firstWidth == shape.P;
        var rows = isReady ? x.contiguous() : nn.functional.pad(x.reshape(shape.Rows, shape.InFeatures), [0, shape.Inputs - shape.InFeatures + lanes]);
        using var gradients = new TensorMemory<float>(gradient, nameof(gradient));
        using var xs = new TensorMemory<float>(rows, nameof(x));
        using var firstFactor = new TensorMemory<float>(first.contiguous(), nameof(first));
        using var secondFactor = new TensorMemory<float>(second.contiguous(), nameof(second));
        using var xGradients = new TensorMemory<float>(forX ?? empty(0), nameof(forX));
        using var firstGradients = new TensorMemory<float>(forFirst, nameof(forFirst));
        using var secondGradients = new TensorMemory<float>(forSecond, nameof(forSecond));
        using var upstreams = new TensorMemory<float>(upstream, nameof(upstream));
        using var yGradients = new TensorMemory<float>(forY, nameof(forY));
        using var ys = new TensorMemory<float>(y, nameof(y));
        var call = new BackwardCall
        {
            Call = new Call { Shape = shape, First = firstFactor.Start, Second = secondFactor.Start, Width = width },
            Gradient = gradients.Start,
            ForX = xGradients.Start,
            Upstream = upstreams.Start,
            ForY = yGradients.Start,
            Y = ys.Start,
            YStride = yStride,
            X = xs.Start,
            XStride = isReady ? shape.InFeatures : shape.Inputs + lanes,
            ForFirst = firstGradients.Start,
            ForSecond = secondGradients.Start,
            FirstWidth = firstWidth,
            SecondWidth = secondWidth,
        };
        if (lanes == 16)
            Backward<Vector512<float>, Avx512Lanes>(call, tiles);
        else if (lanes == 8)
            Backward<Vector256<float>, Avx2Lanes>(call, tiles);
        else
            Backward<Vector128<float>, PortableLanes>(call, tiles);
        var given = new List<Tensor?>
        {
            forX,
            first.requires_grad ? Narrow(forFirst, shape.P) : null,
            second.requires_grad ? Narrow(forSecond, shape.R) : null,
        };
        if (inputs.Count > 3)
            given.Add(inputs[3].requires_grad ? gradient.reshape(shape.Rows, outFeatures).sum([0L]) : null);
        return given;

        static int Whole(int count, int lanes) => (count + lanes - 1) / lanes * lanes;

        static Tensor Narrow(Tensor wide, int width) => wide.size(2) == width ? wide : wide.narrow(2, 0, width).contiguous();
    }

    private static void Backward<V, T>(BackwardCall call, int tiles)
        where V : struct
        where T : struct, ILanes<V>
    {
        var shape = call.Call.Shape;
        var places = Places(shape, call.Call.Width);
        var threads = Threads(shape.Products * shape.Rows);
        WorkerPool.Shared.Run(tiles, tile => BackwardTile<V, T>(call, places, tile), threads);
        // Each block of a factor adds up its tiles in their order, whichever thread does it.
        WorkerPool.Shared.Run(shape.K + shape.L, block =>
        {
            for (var tile = 0; tile < tiles; tile++)
            {
                if (block < shape.K)
                    AddToFirst<V, T>(call, block, tile);
                else
                    AddToSecond<V, T>(call, block - shape.K, tile);
            }
        }, threads);
    }

    private static void BackwardTile<V, T>(BackwardCall call, long[] places, int tile)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (shape, width) = (call.Call.Shape, call.Call.Width);
        var start = tile * width;
        var count = Math.Min(width, shape.Rows - start);
        var vectors = (count + T.Count - 1) / T.Count;
        using var memory = ScratchMemory.Rent((long)width * (shape.Inputs + shape.Middle));
        float* x = memory.Start, y = x + ((long)width * shape.Inputs);
        float* upstream = call.Upstream + ((long)tile * shape.Outputs * width), forY = call.ForY + ((long)tile * shape.Middle * width);
        RowTiles<V, T>.In(call.X + (start * call.XStride), call.XStride, count, shape.Inputs, x, width, shape.Inputs);
        FirstFactor<V, T>(call.Call, x, y, places, vectors);
        RowTiles<V, T>.Out(y, width, call.Y + (start * call.YStride), call.YStride, count, shape.Middle, null);
        RowTiles<V, T>.In(call.Gradient + ((long)start * shape.OutFeatures), shape.OutFeatures, count, shape.OutFeatures, upstream, width, shape.Outputs);
        for (var block = 0; block < shape.L; block++)
        {
            var factor = call.Call.Second + ((long)block * shape.S * shape.R);
            long offset = (long)block * width, stride = (long)shape.L * width;
            BlockProduct<V, T>.Run(factor, 1, shape.R, upstream + offset, stride, forY + offset, stride, null, shape.R, shape.S, vectors, adds: false);
        }
        if (call.ForX is null)
            return;
        for (var block = 0; block < shape.K; block++)
        {
            var factor = call.Call.First + ((long)block * shape.Q * shape.P);
            BlockProduct<V, T>.Run(factor, 1, shape.P, forY + ((long)block * shape.Q * width), width, x + ((long)block * shape.P * width), width, null, shape.P, shape.Q, vectors, adds: false);
        }
        RowTiles<V, T>.Out(x, width, call.ForX + ((long)start * shape.InFeatures), shape.InFeatures, count, shape.InFeatures, null);
    }

    private static void AddToFirst<V, T>(BackwardCall call, int block, int tile)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (shape, width) = (call.Call.Shape, call.Call.Width);
        var start = tile * width;
        var forY = call.ForY + (((long)tile * shape.Middle) + ((long)block * shape.Q)) * width;
        var x = call.X + (start * call.XStride) + (block * shape.P);
        var to = call.ForFirst + ((long)block * shape.Q * call.FirstWidth);
        BlockProduct<V, T>.Run(forY, width, 1, x, call.XStride, to, call.FirstWidth, null, shape.Q, Math.Min(width, shape.Rows - start), call.FirstWidth / T.Count, adds: tile > 0);
    }

    private static void AddToSecond<V, T>(BackwardCall call, int block, int tile)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (shape, width) = (call.Call.Shape, call.Call.Width);
        var start = tile * width;
        var upstream = call.Upstream + (((long)tile * shape.Outputs) + block) * width;
        var y = call.Y + (start * call.YStride) + (block * shape.R);
        var to = call.ForSecond + ((long)block * shape.S * call.SecondWidth);
        BlockProduct<V, T>.Run(upstream, (long)shape.L * width, 1, y, call.YStride, to, call.SecondWidth, null, shape.S, Math.Min(width, shape.Rows - start), call.SecondWidth / T.Count, adds: tile > 0);
    }
}
