using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

public sealed partial class PackedLinear
{
    // Below this much weight memory a second thread costs more than it saves.
    private const long BytesPerPiece = 1 << 19;

    /// <summary>The product by tiles of 16 outputs: one stream over the packed weights, shared by up to four rows at a time.</summary>
    internal static unsafe Tensor Cpu(Tensor x, PackedWeight weight, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        var shape = x.shape;
        shape[^1] = weight.OutFeatures;
        var y = empty(shape, ScalarType.Float32);
        using var input = new TensorMemory<float>(x.contiguous(), nameof(x));
        using var output = new TensorMemory<float>(y, nameof(y));
        if (output.Count == 0)
            return y.MoveToOuterDisposeScope();
        var rows = (int)(output.Count / weight.OutFeatures);
        using var offset = new TensorMemory<float>(bias is null ? empty(0) : bias.contiguous(), nameof(bias));
        var call = new Call(input.Start, offset.Start, output.Start, rows, weight);
        var pieces = (int)Math.Clamp(weight.TileCount * weight.TileBytes / BytesPerPiece, 1, weight.TileCount);
        if (pieces == 1)
            call.Run(0, weight.TileCount, SimdWidth.Bits);
        else
            WorkerPool.Shared.Run(pieces, piece => call.Run(Share(piece), Share(piece + 1), SimdWidth.Bits));
        return y.MoveToOuterDisposeScope();

        int Share(int piece) => (int)((long)weight.TileCount * piece / pieces);
    }

    /// <summary>One product: its memory and its sizes.</summary>
    internal sealed unsafe class Call(float* x, float* bias, float* y, int rows, PackedWeight weight)
    {
        private const int RowBlock = 4;
        private readonly int inFeatures = (int)weight.InFeatures;
        private readonly int outFeatures = (int)weight.OutFeatures;

        internal void Run(int firstTile, int endTile, int width)
        {
            for (var tile = firstTile; tile < endTile; tile++)
            {
                for (var row = 0; row < rows;)
                {
                    var block = rows - row >= RowBlock ? RowBlock : 1;
                    switch (width)
                    {
                        case 512:
                            Block<Lanes512>(tile, row, block);
                            break;
                        case 256:
                            Block<Lanes256>(tile, row, block);
                            break;
                        default:
                            Block<Lanes128>(tile, row, block);
                            break;
                    }
                    row += block;
                }
            }
            GC.KeepAlive(weight);
        }

        private void Block<TLanes>(int tile, int row, int block)
            where TLanes : struct, ILanes<TLanes>
        {
            if (weight.Format == WeightFormat.Full)
            {
                if (block == 1)
                    One<TLanes>((float*)weight.Tile(tile), tile, row);
                else
                    Four<TLanes>((float*)weight.Tile(tile), tile, row);
            }
            else if (block == 1)
            {
                One<TLanes>((ushort*)weight.Tile(tile), tile, row);
            }
            else
            {
                Four<TLanes>((ushort*)weight.Tile(tile), tile, row);
            }
        }

        // Four sums in flight hide the latency of the multiply-add.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void One<TLanes>(float* w, int tile, int row)
            where TLanes : struct, ILanes<TLanes>
        {
            var source = x + ((long)row * inFeatures);
            TLanes a = TLanes.Zero, b = TLanes.Zero, c = TLanes.Zero, d = TLanes.Zero;
            var i = 0;
            for (; i + 4 <= inFeatures; i += 4, w += 64)
            {
                a = TLanes.MultiplyAdd(TLanes.Load(w), source[i], a);
                b = TLanes.MultiplyAdd(TLanes.Load(w + 16), source[i + 1], b);
                c = TLanes.MultiplyAdd(TLanes.Load(w + 32), source[i + 2], c);
                d = TLanes.MultiplyAdd(TLanes.Load(w + 48), source[i + 3], d);
            }
            for (; i < inFeatures; i++, w += 16)
                a = TLanes.MultiplyAdd(TLanes.Load(w), source[i], a);
            Write(TLanes.Add(TLanes.Add(a, b), TLanes.Add(c, d)), tile, row);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Four<TLanes>(float* w, int tile, int row)
            where TLanes : struct, ILanes<TLanes>
        {
            float* r0 = x + ((long)row * inFeatures), r1 = r0 + inFeatures, r2 = r1 + inFeatures, r3 = r2 + inFeatures;
            TLanes a = TLanes.Zero, b = TLanes.Zero, c = TLanes.Zero, d = TLanes.Zero;
            for (var i = 0; i < inFeatures; i++, w += 16)
            {
                var lanes = TLanes.Load(w);
                a = TLanes.MultiplyAdd(lanes, r0[i], a);
                b = TLanes.MultiplyAdd(lanes, r1[i], b);
                c = TLanes.MultiplyAdd(lanes, r2[i], c);
                d = TLanes.MultiplyAdd(lanes, r3[i], d);
            }
            Write(a, tile, row);
            Write(b, tile, row + 1);
            Write(c, tile, row + 2);
            Write(d, tile, row + 3);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void One<TLanes>(ushort* w, int tile, int row)
            where TLanes : struct, ILanes<TLanes>
        {
            var source = x + ((long)row * inFeatures);
            TLanes a = TLanes.Zero, b = TLanes.Zero, c = TLanes.Zero, d = TLanes.Zero;
            var i = 0;
            for (; i + 4 <= inFeatures; i += 4, w += 64)
            {
                a = TLanes.MultiplyAdd(TLanes.LoadFirst(w), source[i], a);
                b = TLanes.MultiplyAdd(TLanes.LoadSecond(w), source[i + 1], b);
                c = TLanes.MultiplyAdd(TLanes.LoadFirst(w + 32), source[i + 2], c);
                d = TLanes.MultiplyAdd(TLanes.LoadSecond(w + 32), source[i + 3], d);
            }
            for (; i < inFeatures; i += 2, w += 32)
            {
                a = TLanes.MultiplyAdd(TLanes.LoadFirst(w), source[i], a);
                if (i + 1 < inFeatures)
                    b = TLanes.MultiplyAdd(TLanes.LoadSecond(w), source[i + 1], b);
            }
            Write(TLanes.Add(TLanes.Add(a, b), TLanes.Add(c, d)), tile, row);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Four<TLanes>(ushort* w, int tile, int row)
            where TLanes : struct, ILanes<TLanes>
        {
            float* r0 = x + ((long)row * inFeatures), r1 = r0 + inFeatures, r2 = r1 + inFeatures, r3 = r2 + inFeatures;
            TLanes a = TLanes.Zero, b = TLanes.Zero, c = TLanes.Zero, d = TLanes.Zero;
            for (var i = 0; i < inFeatures; i += 2, w += 32)
            {
                var first = TLanes.LoadFirst(w);
                a = TLanes.MultiplyAdd(first, r0[i], a);
                b = TLanes.MultiplyAdd(first, r1[i], b);
                c = TLanes.MultiplyAdd(first, r2[i], c);
                d = TLanes.MultiplyAdd(first, r3[i], d);
                if (i + 1 == inFeatures)
                    break;
                var second = TLanes.LoadSecond(w);
                a = TLanes.MultiplyAdd(second, r0[i + 1], a);
                b = TLanes.MultiplyAdd(second, r1[i + 1], b);
                c = TLanes.MultiplyAdd(second, r2[i + 1], c);
                d = TLanes.MultiplyAdd(second, r3[i + 1], d);
            }
            Write(a, tile, row);
            Write(b, tile, row + 1);
            Write(c, tile, row + 2);
            Write(d, tile, row + 3);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Write<TLanes>(TLanes sum, int tile, int row)
            where TLanes : struct, ILanes<TLanes>
        {
            var first = tile * PackedWeight.TileWidth;
            var target = y + ((long)row * outFeatures) + first;
            var count = Math.Min(PackedWeight.TileWidth, outFeatures - first);
            var sums = stackalloc float[PackedWeight.TileWidth];
            sum.Store(sums);
            for (var lane = 0; lane < count; lane++)
                target[lane] = sums[lane] + (bias is null ? 0 : bias[first + lane]);
        }
    }
}
