using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace LmKit;

/// <summary>One product of a few rows with a packed weight: its memory and its sizes.</summary>
/// <remarks>Rows are taken by eight, four or one, the missing ones being zeros, and a block's rows lie side by side: the loops read
/// the weights as one stream and broadcast neighbouring numbers.</remarks>
internal sealed unsafe class PackedProduct
{
    private const int RowBlock = 8;
    private const int SmallRowBlock = 4;
    private const int LineBytes = 64;
    private const int PrefetchBytes = 32 * LineBytes;

    private readonly float* panel; // per block of rows: [input, padded to pairs][row of the block]
    private readonly float* bias;
    private readonly float* y;
    private readonly int rows;
    private readonly int pairs;
    private readonly int outFeatures;
    private readonly PackedWeight weight;

    /// <summary>Brings the rows into the order in which the loops read them.</summary>
    /// <param name="x">[rows][inputs].</param>
    /// <param name="bias">[outputs], or null.</param>
    /// <param name="y">[rows][outputs].</param>
    /// <param name="rows">How many rows.</param>
    /// <param name="weight">The weight.</param>
    /// <param name="panel">Memory for <see cref="PanelCount"/> numbers, until the product is done.</param>
    internal PackedProduct(float* x, float* bias, float* y, int rows, PackedWeight weight, float* panel)
    {
        this.bias = bias;
        this.y = y;
        this.rows = rows;
        this.weight = weight;
        pairs = (int)weight.PairCount;
        outFeatures = (int)weight.OutFeatures;
        var inputs = (int)weight.InFeatures;
        var isReady = rows == 1 && inputs % 2 == 0;
        this.panel = isReady ? x : panel;
        for (var row = 0; row < rows && !isReady; row += Block(row))
            Interleave(x + ((long)row * inputs), inputs, panel + (2L * pairs * row), Block(row), Math.Min(Block(row), rows - row));
    }

    /// <summary>Numbers of memory that a product needs for its rows.</summary>
    internal static long PanelCount(int rows, PackedWeight weight) => 2 * weight.PairCount * (rows + RowBlock - 1);

    /// <summary>Makes the outputs of some tiles.</summary>
    internal void Run<V, T>(int firstTile, int endTile)
        where V : struct
        where T : struct, ILanes<V>
    {
        if (weight.Format == WeightFormat.Full)
            Run<V, T, FullNumbers>(firstTile, endTile);
        else
            Run<V, T, RoundedNumbers>(firstTile, endTile);
        GC.KeepAlive(weight);
    }

    private void Run<V, T, F>(int firstTile, int endTile)
        where V : struct
        where T : struct, ILanes<V>
        where F : struct, IPackedNumbers
    {
        for (var tile = firstTile; tile < endTile; tile++)
        {
            for (var row = 0; row < rows; row += Block(row))
            {
                var x = panel + (2L * pairs * row);
                switch (Block(row))
                {
                    case RowBlock:
                        Eight<V, T, F>(x, tile, row);
                        break;
                    case SmallRowBlock:
                        Four<V, T, F>(x, tile, row);
                        break;
                    default:
                        One<V, T, F>(x, tile, row);
                        break;
                }
            }
        }
    }

    // How many rows go together from this one on.
    private int Block(int row) => (rows - row) switch
    {
        > SmallRowBlock => RowBlock,
        > 1 => SmallRowBlock,
        _ => 1,
    };

    private static void Interleave(float* x, int inputs, float* to, int block, int count)
    {
        for (var row = 0; row < block; row++)
        {
            for (var input = 0; input < inputs; input++)
                to[(input * block) + row] = row < count ? x[((long)row * inputs) + input] : 0;
            if (inputs % 2 == 1)
                to[(inputs * block) + row] = 0;
        }
    }

    // Several sums in flight hide the latency of the multiply-add.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void One<V, T, F>(float* x, int tile, int row)
        where V : struct
        where T : struct, ILanes<V>
        where F : struct, IPackedNumbers
    {
        var w = weight.Tile(tile);
        var step = F.PairBytes * T.Count;
        V a = T.Broadcast(0), b = a, c = a, d = a;
        var pair = 0;
        for (; pair + 2 <= pairs; pair += 2, w += 2 * step, x += 4)
        {
            F.Load<V, T>(w, out var w0, out var w1);
            F.Load<V, T>(w + step, out var w2, out var w3);
            a = T.MultiplyAdd(w0, T.Broadcast(x[0]), a);
            b = T.MultiplyAdd(w1, T.Broadcast(x[1]), b);
            c = T.MultiplyAdd(w2, T.Broadcast(x[2]), c);
            d = T.MultiplyAdd(w3, T.Broadcast(x[3]), d);
        }
        if (pair < pairs)
        {
            F.Load<V, T>(w, out var w0, out var w1);
            a = T.MultiplyAdd(w0, T.Broadcast(x[0]), a);
            b = T.MultiplyAdd(w1, T.Broadcast(x[1]), b);
        }
        Write<V, T>(T.Add(T.Add(a, b), T.Add(c, d)), tile, row);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Four<V, T, F>(float* x, int tile, int row)
        where V : struct
        where T : struct, ILanes<V>
        where F : struct, IPackedNumbers
    {
        var w = weight.Tile(tile);
        var step = F.PairBytes * T.Count;
        V a = T.Broadcast(0), b = a, c = a, d = a, a1 = a, b1 = a, c1 = a, d1 = a;
        for (var pair = 0; pair < pairs; pair++, w += step, x += 8)
        {
            F.Load<V, T>(w, out var w0, out var w1);
            a = T.MultiplyAdd(w0, T.Broadcast(x[0]), a);
            b = T.MultiplyAdd(w0, T.Broadcast(x[1]), b);
            c = T.MultiplyAdd(w0, T.Broadcast(x[2]), c);
            d = T.MultiplyAdd(w0, T.Broadcast(x[3]), d);
            a1 = T.MultiplyAdd(w1, T.Broadcast(x[4]), a1);
            b1 = T.MultiplyAdd(w1, T.Broadcast(x[5]), b1);
            c1 = T.MultiplyAdd(w1, T.Broadcast(x[6]), c1);
            d1 = T.MultiplyAdd(w1, T.Broadcast(x[7]), d1);
        }
        Write<V, T>(T.Add(a, a1), tile, row);
        Write<V, T>(T.Add(b, b1), tile, row + 1);
        Write<V, T>(T.Add(c, c1), tile, row + 2);
        Write<V, T>(T.Add(d, d1), tile, row + 3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Eight<V, T, F>(float* x, int tile, int row)
        where V : struct
        where T : struct, ILanes<V>
        where F : struct, IPackedNumbers
    {
        var w = weight.Tile(tile);
        var step = F.PairBytes * T.Count;
        V a = T.Broadcast(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
        for (var pair = 0; pair < pairs; pair++, w += step, x += 16)
        {
            if (Sse.IsSupported && F.PairBytes == FullNumbers.PairBytes)
            {
                // A tile of float32 exceeds the first cache: its next lines are asked for.
                Sse.Prefetch0(w + PrefetchBytes);
                Sse.Prefetch0(w + PrefetchBytes + LineBytes);
            }
            F.Load<V, T>(w, out var w0, out var w1);
            a = T.MultiplyAdd(w0, T.Broadcast(x[0]), a);
            b = T.MultiplyAdd(w0, T.Broadcast(x[1]), b);
            c = T.MultiplyAdd(w0, T.Broadcast(x[2]), c);
            d = T.MultiplyAdd(w0, T.Broadcast(x[3]), d);
            e = T.MultiplyAdd(w0, T.Broadcast(x[4]), e);
            f = T.MultiplyAdd(w0, T.Broadcast(x[5]), f);
            g = T.MultiplyAdd(w0, T.Broadcast(x[6]), g);
            h = T.MultiplyAdd(w0, T.Broadcast(x[7]), h);
            a = T.MultiplyAdd(w1, T.Broadcast(x[8]), a);
            b = T.MultiplyAdd(w1, T.Broadcast(x[9]), b);
            c = T.MultiplyAdd(w1, T.Broadcast(x[10]), c);
            d = T.MultiplyAdd(w1, T.Broadcast(x[11]), d);
            e = T.MultiplyAdd(w1, T.Broadcast(x[12]), e);
            f = T.MultiplyAdd(w1, T.Broadcast(x[13]), f);
            g = T.MultiplyAdd(w1, T.Broadcast(x[14]), g);
            h = T.MultiplyAdd(w1, T.Broadcast(x[15]), h);
        }
        Write<V, T>(a, tile, row);
        Write<V, T>(b, tile, row + 1);
        Write<V, T>(c, tile, row + 2);
        Write<V, T>(d, tile, row + 3);
        Write<V, T>(e, tile, row + 4);
        Write<V, T>(f, tile, row + 5);
        Write<V, T>(g, tile, row + 6);
        Write<V, T>(h, tile, row + 7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Write<V, T>(V sum, int tile, int row)
        where V : struct
        where T : struct, ILanes<V>
    {
        if (row >= rows)
            return;
        var first = tile * T.Count;
        var target = y + ((long)row * outFeatures) + first;
        if (first + T.Count <= outFeatures)
        {
            T.Store(bias is null ? sum : T.Add(sum, T.Load(bias + first)), target);
            return;
        }
        var sums = stackalloc float[T.Count];
        T.Store(sum, sums);
        for (var lane = 0; lane < outFeatures - first; lane++)
            target[lane] = sums[lane] + (bias is null ? 0 : bias[first + lane]);
    }
}
