using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>A few vectors side by side, number i of each in one row: what <see cref="BlockProduct{V, T}"/> multiplies.</summary>
internal static unsafe class RowTiles<V, T>
    where V : struct
    where T : struct, ILanes<V>
{
    /// <summary>Turns rows into a tile; what is missing of its vectors and features is zero.</summary>
    /// <param name="rows">The first row.</param>
    /// <param name="stride">From one row to the next.</param>
    /// <param name="count">Rows.</param>
    /// <param name="features">Numbers of a row.</param>
    /// <param name="tile">(wanted features, width).</param>
    /// <param name="width">Lanes of the tile, whole vectors, at least the rows.</param>
    /// <param name="wanted">Features of the tile, at least those of a row.</param>
    /// <param name="places">Where in the tile feature i stands, in numbers; null for one behind the other.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void In(float* rows, long stride, int count, int features, float* tile, int width, int wanted, long* places = null)
    {
        var square = stackalloc float[T.Count * T.Count];
        for (var lane = 0; lane < width; lane += T.Count)
        {
            var filled = Math.Clamp(count - lane, 0, T.Count);
            for (var feature = 0; feature < features; feature += T.Count)
            {
                var numbers = Math.Min(T.Count, features - feature);
                if (filled < T.Count || numbers < T.Count)
                    new Span<float>(square, T.Count * T.Count).Clear();
                for (var row = 0; row < filled; row++)
                    Copy(rows + ((lane + row) * stride) + feature, square + (row * T.Count), numbers);
                T.Transpose(square);
                for (var number = 0; number < numbers; number++)
                    T.Store(T.Load(square + (number * T.Count)), tile + (places is null ? (long)(feature + number) * width : places[feature + number]) + lane);
            }
        }
        for (var feature = features; feature < wanted; feature++)
            new Span<float>(tile + (places is null ? (long)feature * width : places[feature]), width).Clear();
    }

    /// <summary>Turns a tile back into rows.</summary>
    /// <param name="tile">(features or more, width).</param>
    /// <param name="width">Lanes of the tile.</param>
    /// <param name="rows">The first row.</param>
    /// <param name="stride">From one row to the next.</param>
    /// <param name="count">Rows that are written.</param>
    /// <param name="features">Numbers of a row.</param>
    /// <param name="bias">Added to each row, or null.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Out(float* tile, int width, float* rows, long stride, int count, int features, float* bias)
    {
        var square = stackalloc float[T.Count * T.Count];
        for (var lane = 0; lane < count; lane += T.Count)
        {
            var filled = Math.Min(T.Count, count - lane);
            for (var feature = 0; feature < features; feature += T.Count)
            {
                var numbers = Math.Min(T.Count, features - feature);
                for (var number = 0; number < numbers; number++)
                {
                    var value = T.Load(tile + ((long)(feature + number) * width) + lane);
                    T.Store(bias is null ? value : T.Add(value, T.Broadcast(bias[feature + number])), square + (number * T.Count));
                }
                T.Transpose(square);
                for (var row = 0; row < filled; row++)
                    Copy(square + (row * T.Count), rows + ((lane + row) * stride) + feature, numbers);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy(float* from, float* to, int count)
    {
        if (count == T.Count)
            T.Store(T.Load(from), to);
        else
            new ReadOnlySpan<float>(from, count).CopyTo(new Span<float>(to, count));
    }
}
