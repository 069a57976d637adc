using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

public static unsafe partial class MonarchMultiply
{
    // Up to so many vectors each number of a factor is read once for each of them; above, a tile of vectors shares it.
    private const int MostSingleRows = 4;

    // Multiplications below which a second thread costs more than it saves.
    private const long ProductsForThreads = 1 << 19;

    // The memory of one call.
    private readonly struct Call
    {
        internal MonarchShape Shape { get; init; }

        internal float* X { get; init; }

        internal float* First { get; init; }

        internal float* Second { get; init; }

        internal float* Bias { get; init; }

        internal float* Outputs { get; init; }

        // Vectors of a tile.
        internal int Width { get; init; }
    }

    private static Tensor OnCpu(Tensor x, Tensor first, Tensor second, Tensor? bias, long outFeatures)
    {
        using var scope = NewDisposeScope();
        var shape = MonarchShape.Of(x, first, second, outFeatures);
        var y = empty([.. x.shape[..^1], outFeatures], ScalarType.Float32);
        using var inputs = new TensorMemory<float>(x.contiguous(), nameof(x));
        using var firstFactor = new TensorMemory<float>(first.contiguous(), nameof(first));
        using var secondFactor = new TensorMemory<float>(second.contiguous(), nameof(second));
        using var offsets = new TensorMemory<float>(bias?.contiguous() ?? empty(0), nameof(bias));
        using var outputs = new TensorMemory<float>(y, nameof(y));
        var call = new Call
        {
            Shape = shape,
            X = inputs.Start,
            First = firstFactor.Start,
            Second = secondFactor.Start,
            Bias = offsets.Start,
            Outputs = outputs.Start,
        };
        var isSingle = shape.Rows <= MostSingleRows && !RowsAlike.AreAsked;
        var bits = Bits(isSingle ? Math.Min(shape.P, shape.R) : int.MaxValue);
        if (bits == 512)
            Forward<Vector512<float>, Avx512Lanes>(call, isSingle);
        else if (bits == 256)
            Forward<Vector256<float>, Avx2Lanes>(call, isSingle);
        else
            Forward<Vector128<float>, PortableLanes>(call, isSingle);
        return y.MoveToOuterDisposeScope();
    }

    // The widest registers that a run of so many numbers fills.
    private static int Bits(int length)
    {
        var bits = SimdWidth.Bits;
        while (bits > 128 && bits / 32 > length)
            bits /= 2;
        return bits;
    }

    private static void Forward<V, T>(Call call, bool isSingle)
        where V : struct
        where T : struct, ILanes<V>
    {
        if (isSingle)
        {
            for (var row = 0; row < call.Shape.Rows; row++)
                Single<V, T>(call, row);
            return;
        }
        call = call with { Width = TileWidth<V, T>(call.Shape.Rows) };
        var tiles = (call.Shape.Rows + call.Width - 1) / call.Width;
        var places = call.Shape.First.Places(call.Width);
        WorkerPool.Shared.Run(tiles, tile => Tile<V, T>(call, places, tile * call.Width), Threads(call.Shape.Products * call.Shape.Rows));
    }

    private static int Threads(long products) => products < ProductsForThreads ? 1 : 0;

    private static int TileWidth<V, T>(int rows)
        where V : struct
        where T : struct, ILanes<V> => T.Count * Math.Min(BlockProduct<V, T>.WidestPass, (rows + T.Count - 1) / T.Count);

    private static void Single<V, T>(Call call, int row)
        where V : struct
        where T : struct, ILanes<V>
    {
        var shape = call.Shape;
        using var scratch = ScratchMemory.Rent((long)shape.Inputs + shape.Middle);
        using var numbers = ScratchMemory.Rent(shape.Middle);
        float* given = call.X + ((long)row * shape.InFeatures), y = scratch.Start;
        var places = (int*)numbers.Start;
        if (shape.InFeatures < shape.Inputs)
        {
            var padded = scratch.Start + shape.Middle;
            new ReadOnlySpan<float>(given, shape.InFeatures).CopyTo(new Span<float>(padded, shape.InFeatures));
            new Span<float>(padded + shape.InFeatures, shape.Inputs - shape.InFeatures).Clear();
            given = padded;
        }
        for (int m = 0, place = 0, block = 0; m < shape.Middle; m++)
        {
            places[m] = (block * shape.R) + place;
            if (++block == shape.L)
                (block, place) = (0, place + 1);
        }
        var step = new Step { Call = call, X = given, Y = y, Places = places, Outputs = call.Outputs + ((long)row * shape.OutFeatures) };
        var threads = Threads(shape.Products);
        WorkerPool.Shared.Run(shape.K, block => step.First<V, T>(block), threads);
        WorkerPool.Shared.Run(shape.L, block => step.Second<V, T>(block), threads);
    }

    // One vector between its two factors.
    private readonly struct Step
    {
        internal Call Call { get; init; }

        internal float* X { get; init; }

        internal float* Y { get; init; }

        internal int* Places { get; init; }

        internal float* Outputs { get; init; }

        internal void First<V, T>(int block)
            where V : struct
            where T : struct, ILanes<V>
        {
            var shape = Call.Shape;
            BlockDots<V, T>.Run(Call.First + ((long)block * shape.Q * shape.P), shape.Q, shape.P, X + (block * shape.P), Y, Places + (block * shape.Q), 0, null, long.MaxValue);
        }

        internal void Second<V, T>(int block)
            where V : struct
            where T : struct, ILanes<V>
        {
            var shape = Call.Shape;
            var bias = Call.Bias is null ? null : Call.Bias + block;
            BlockDots<V, T>.Run(Call.Second + ((long)block * shape.S * shape.R), shape.S, shape.R, Y + (block * shape.R), Outputs + block, null, shape.L, bias, shape.OutFeatures - block);
        }
    }

    private static void Tile<V, T>(Call call, long[] places, int start)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (shape, width) = (call.Shape, call.Width);
        var count = Math.Min(width, shape.Rows - start);
        var vectors = (count + T.Count - 1) / T.Count;
        using var memory = ScratchMemory.Rent((long)width * (Math.Max(shape.Inputs, shape.Outputs) + shape.Middle));
        float* x = memory.Start, y = x + ((long)width * Math.Max(shape.Inputs, shape.Outputs)), z = x; // what R took is not needed where L's results go
        RowTiles<V, T>.In(call.X + ((long)start * shape.InFeatures), shape.InFeatures, count, shape.InFeatures, x, width, shape.Inputs);
        Blocks<V, T>(shape.First, call.First, x, y, width, places, vectors);
        for (var block = 0; block < shape.L; block++)
        {
            var factor = call.Second + ((long)block * shape.S * shape.R);
            BlockProduct<V, T>.Run(factor, shape.R, 1, y + ((long)block * shape.R * width), width, z + ((long)block * width), (long)shape.L * width, null, shape.S, shape.R, vectors, adds: false);
        }
        RowTiles<V, T>.Out(z, width, call.Outputs + ((long)start * shape.OutFeatures), shape.OutFeatures, count, shape.OutFeatures, call.Bias);
    }
}
