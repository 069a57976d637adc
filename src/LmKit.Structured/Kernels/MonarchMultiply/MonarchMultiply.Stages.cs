using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

public static unsafe partial class MonarchMultiply
{
    // Tiles whose gradients wait for the factor's: enough for a few threads, and few enough for the caches.
    private const int TilesTogether = 8;

    // The memory of one stage.
    private readonly struct StageCall
    {
        internal BlockStage Stage { get; init; }

        internal float* X { get; init; }

        internal long XStride { get; init; }

        internal float* Factor { get; init; }

        internal float* Bias { get; init; }

        // Of the outputs: what is computed, or their gradients.
        internal float* Outputs { get; init; }

        internal float* ForX { get; init; }

        internal float* ForFactor { get; init; }

        internal int FactorWidth { get; init; }

        // Gradients of a few tiles' outputs (tiles, outputs, width), in the order of the blocks.
        internal float* Upstream { get; init; }

        internal int Width { get; init; }
    }

    // (B, in) to (B, out).
    private static Tensor StageOnCpu(BlockStage stage, Tensor x, Tensor factor, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        var y = empty([stage.Rows, stage.OutFeatures], ScalarType.Float32);
        using var inputs = new TensorMemory<float>(x.contiguous(), nameof(x));
        using var numbers = new TensorMemory<float>(factor.contiguous(), nameof(factor));
        using var offsets = new TensorMemory<float>(bias?.contiguous() ?? empty(0), nameof(bias));
        using var outputs = new TensorMemory<float>(y, nameof(y));
        var call = new StageCall { Stage = stage, X = inputs.Start, XStride = stage.InFeatures, Factor = numbers.Start, Bias = offsets.Start, Outputs = outputs.Start };
        if (SimdWidth.Bits == 512)
            Stage<Vector512<float>, Avx512Lanes>(call);
        else if (SimdWidth.Bits == 256)
            Stage<Vector256<float>, Avx2Lanes>(call);
        else
            Stage<Vector128<float>, PortableLanes>(call);
        return y.MoveToOuterDisposeScope();
    }

    private static void Stage<V, T>(StageCall call)
        where V : struct
        where T : struct, ILanes<V>
    {
        call = call with { Width = TileWidth<V, T>(call.Stage.Rows) };
        var tiles = (call.Stage.Rows + call.Width - 1) / call.Width;
        var places = call.Stage.Places(call.Width);
        WorkerPool.Shared.Run(tiles, tile => StageTile<V, T>(call, places, tile * call.Width), Threads(call.Stage.Products * call.Stage.Rows));
    }

    private static void StageTile<V, T>(StageCall call, long[] places, int start)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (stage, width) = (call.Stage, call.Width);
        var count = Math.Min(width, stage.Rows - start);
        using var memory = ScratchMemory.Rent((long)width * (stage.Inputs + stage.Outputs));
        float* x = memory.Start, y = x + ((long)width * stage.Inputs);
        RowTiles<V, T>.In(call.X + (start * call.XStride), call.XStride, count, stage.InFeatures, x, width, stage.Inputs);
        Blocks<V, T>(stage, call.Factor, x, y, width, places, (count + T.Count - 1) / T.Count);
        RowTiles<V, T>.Out(y, width, call.Outputs + ((long)start * stage.OutFeatures), stage.OutFeatures, count, stage.OutFeatures, call.Bias);
    }

    // x (inputs, width) to y (outputs, width), each result at its place.
    private static void Blocks<V, T>(BlockStage stage, float* factor, float* x, float* y, int width, long[] places, int vectors)
        where V : struct
        where T : struct, ILanes<V>
    {
        fixed (long* at = places)
        {
            for (var block = 0; block < stage.Blocks; block++)
            {
                var numbers = factor + ((long)block * stage.Outs * stage.Ins);
                BlockProduct<V, T>.Run(numbers, stage.Ins, 1, x + ((long)block * stage.Ins * width), width, y, 0, at + (block * stage.Outs), stage.Outs, stage.Ins, vectors, adds: false);
            }
        }
    }

    // The gradients of x, factor and bias, each null where it is not asked for.
    private static (Tensor? X, Tensor? Factor, Tensor? Bias) StageBackwardOnCpu(BlockStage stage, Tensor gradient, Tensor x, Tensor factor, bool forX, bool forFactor, bool forBias)
    {
        var lanes = SimdWidth.Bits / 32;
        var width = lanes * Math.Min(3, (stage.Rows + lanes - 1) / lanes);
        var tiles = (stage.Rows + width - 1) / width;
        var factorWidth = (stage.Ins + lanes - 1) / lanes * lanes;
        var xGradient = forX ? empty([stage.Rows, stage.InFeatures], ScalarType.Float32) : null;
        var factorGradient = forFactor ? empty([stage.Blocks, stage.Outs, factorWidth], ScalarType.Float32) : null;
        // Whole vectors are read of each block's inputs, so behind the last there must be some.
        var isReady = !forFactor || (stage.InFeatures == stage.Inputs && factorWidth == stage.Ins);
        var rows = isReady ? x.contiguous() : nn.functional.pad(x.reshape(stage.Rows, stage.InFeatures), [0, stage.Inputs - stage.InFeatures + lanes]);
        using var gradients = new TensorMemory<float>(gradient.contiguous(), nameof(gradient));
        using var inputs = new TensorMemory<float>(rows, nameof(x));
        using var numbers = new TensorMemory<float>(factor.contiguous(), nameof(factor));
        using var xGradients = new TensorMemory<float>(xGradient ?? empty(0), nameof(x));
        using var factorGradients = new TensorMemory<float>(factorGradient ?? empty(0), nameof(factor));
        using var upstream = ScratchMemory.Rent((long)Math.Min(tiles, TilesTogether) * stage.Outputs * width);
        var call = new StageCall
        {
            Stage = stage,
            X = inputs.Start,
            XStride = isReady ? stage.InFeatures : stage.Inputs + lanes,
            Factor = numbers.Start,
            Outputs = gradients.Start,
            ForX = xGradients.Start,
            ForFactor = factorGradients.Start,
            FactorWidth = factorWidth,
            Upstream = upstream.Start,
            Width = width,
        };
        if (lanes == 16)
            StageBackward<Vector512<float>, Avx512Lanes>(call, tiles);
        else if (lanes == 8)
            StageBackward<Vector256<float>, Avx2Lanes>(call, tiles);
        else
            StageBackward<Vector128<float>, PortableLanes>(call, tiles);
        if (factorGradient is not null && factorWidth != stage.Ins)
            factorGradient = factorGradient.narrow(2, 0, stage.Ins).contiguous();
        return (xGradient, factorGradient, forBias ? gradient.reshape(stage.Rows, stage.OutFeatures).sum([0L]) : null);
    }

    private static void StageBackward<V, T>(StageCall call, int tiles)
        where V : struct
        where T : struct, ILanes<V>
    {
        var stage = call.Stage;
        var sources = stage.Sources(call.Width);
        var threads = Threads(2 * stage.Products * stage.Rows);
        for (var first = 0; first < tiles; first += TilesTogether)
        {
            var (from, together) = (first, Math.Min(TilesTogether, tiles - first));
            WorkerPool.Shared.Run(together, tile => BackwardTile<V, T>(call, sources, from + tile, tile), threads);
            if (call.ForFactor is null)
                continue;
            // Each block adds up its tiles in their order, whichever thread does it.
            WorkerPool.Shared.Run(stage.Blocks, block =>
            {
                for (var tile = 0; tile < together; tile++)
                    AddToFactor<V, T>(call, block, from + tile, tile);
            }, threads);
        }
    }

    private static void BackwardTile<V, T>(StageCall call, long[] sources, int tile, int slot)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (stage, width) = (call.Stage, call.Width);
        var start = tile * width;
        var count = Math.Min(width, stage.Rows - start);
        var upstream = call.Upstream + ((long)slot * stage.Outputs * width);
        fixed (long* at = sources)
            RowTiles<V, T>.In(call.Outputs + ((long)start * stage.OutFeatures), stage.OutFeatures, count, stage.OutFeatures, upstream, width, stage.Outputs, at);
        if (call.ForX is null)
            return;
        using var memory = ScratchMemory.Rent((long)width * stage.Inputs);
        var vectors = (count + T.Count - 1) / T.Count;
        for (var block = 0; block < stage.Blocks; block++)
        {
            var numbers = call.Factor + ((long)block * stage.Outs * stage.Ins);
            float* from = upstream + ((long)block * stage.Outs * width), to = memory.Start + ((long)block * stage.Ins * width);
            BlockProduct<V, T>.Run(numbers, 1, stage.Ins, from, width, to, width, null, stage.Ins, stage.Outs, vectors, adds: false);
        }
        RowTiles<V, T>.Out(memory.Start, width, call.ForX + ((long)start * stage.InFeatures), stage.InFeatures, count, stage.InFeatures, null);
    }

    private static void AddToFactor<V, T>(StageCall call, int block, int tile, int slot)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (stage, width) = (call.Stage, call.Width);
        var start = tile * width;
        var upstream = call.Upstream + (((long)slot * stage.Outputs) + ((long)block * stage.Outs)) * width;
        var x = call.X + (start * call.XStride) + (block * stage.Ins);
        var to = call.ForFactor + ((long)block * stage.Outs * call.FactorWidth);
        BlockProduct<V, T>.Run(upstream, width, 1, x, call.XStride, to, call.FactorWidth, null, stage.Outs, Math.Min(width, stage.Rows - start), call.FactorWidth / T.Count, adds: tile > 0);
    }
}
