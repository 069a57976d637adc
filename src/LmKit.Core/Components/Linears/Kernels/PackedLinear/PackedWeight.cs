using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A dense weight (O, I) in tiles of as many outputs as there are lanes, in the order in which a product reads it.</summary>
/// <remarks>Float32: [tile][input][lane]. Bfloat16: [tile][pair of inputs][lane][2]. Inputs come in pairs; missing outputs and a missing
/// last input are zeros.</remarks>
internal sealed unsafe class PackedWeight : IDisposable
{
    private const nuint Alignment = 64;

    private void* memory;

    private PackedWeight(WeightFormat format, int tileWidth, Tensor source)
    {
        (Format, TileWidth) = (format, tileWidth);
        (OutFeatures, InFeatures) = (source.size(0), source.size(1));
        memory = NativeMemory.AlignedAlloc((nuint)(TileCount * TileBytes), Alignment);
        GC.AddMemoryPressure(TileCount * TileBytes);
    }

    ~PackedWeight() => Free();

    internal WeightFormat Format { get; }

    internal long OutFeatures { get; }

    internal long InFeatures { get; }

    /// <summary>Outputs of a tile: the lanes of the vectors that will read it.</summary>
    internal int TileWidth { get; }

    /// <summary>Pairs of inputs, the last one filled up.</summary>
    internal long PairCount => (InFeatures + 1) / 2;

    internal int TileCount => (int)((OutFeatures + TileWidth - 1) / TileWidth);

    internal long TileBytes => 2 * PairCount * TileWidth * (Format == WeightFormat.Full ? sizeof(float) : sizeof(ushort));

    /// <summary>Packs a float32 weight on the CPU.</summary>
    /// <param name="weight">(O, I).</param>
    /// <param name="format">How its numbers are kept.</param>
    /// <param name="bits">The width of the vectors that will read it.</param>
    internal static PackedWeight Of(Tensor weight, WeightFormat format, int bits)
    {
        using var scope = NewDisposeScope();
        var packed = new PackedWeight(format, LanesOf(bits), weight);
        if (format == WeightFormat.Full)
            packed.Fill<float>(weight.detach().contiguous(), 0);
        else
            packed.Fill<ushort>(weight.detach().to(ScalarType.BFloat16).contiguous(), 1);
        return packed;
    }

    /// <summary>The memory of a tile.</summary>
    internal byte* Tile(int index) => (byte*)memory + (index * TileBytes);

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private static int LanesOf(int bits) => bits / (8 * sizeof(float));

    // Inputs lie in groups of 2^shift: alone, or in pairs.
    private void Fill<T>(Tensor weight, int shift)
        where T : unmanaged
    {
        using var source = new TensorMemory<T>(weight, nameof(weight));
        for (var tile = 0; tile < TileCount; tile++)
        {
            var target = (T*)Tile(tile);
            new Span<byte>(target, checked((int)TileBytes)).Clear();
            var width = (int)Math.Min(TileWidth, OutFeatures - (tile * TileWidth));
            for (var lane = 0; lane < width; lane++)
            {
                var row = source.Start + (((tile * TileWidth) + lane) * InFeatures);
                for (var input = 0L; input < InFeatures; input++)
                    target[((((input >> shift) * TileWidth) + lane) << shift) + (input & shift)] = row[input];
            }
        }
    }

    private void Free()
    {
        if (memory is null)
            return;
        NativeMemory.AlignedFree(memory);
        memory = null;
        GC.RemoveMemoryPressure(TileCount * TileBytes);
    }
}

/// <summary>How a packed weight keeps two inputs of a tile's outputs.</summary>
internal unsafe interface IPackedNumbers
{
    /// <summary>Bytes of two inputs of one output.</summary>
    static abstract int PairBytes { get; }

    /// <summary>Reads two inputs of as many outputs as there are lanes.</summary>
    static abstract void Load<V, T>(byte* from, out V first, out V second)
        where V : struct
        where T : struct, ILanes<V>;
}

/// <summary>Float32: the first input of every output, then the second.</summary>
internal readonly unsafe struct FullNumbers : IPackedNumbers
{
    public static int PairBytes => 2 * sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load<V, T>(byte* from, out V first, out V second)
        where V : struct
        where T : struct, ILanes<V>
    {
        first = T.Load((float*)from);
        second = T.Load((float*)from + T.Count);
    }
}

/// <summary>Bfloat16: the two inputs of an output side by side, so that a shift and a mask give both.</summary>
internal readonly unsafe struct RoundedNumbers : IPackedNumbers
{
    public static int PairBytes => 2 * sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load<V, T>(byte* from, out V first, out V second)
        where V : struct
        where T : struct, ILanes<V>
    {
        first = T.LoadFirst((ushort*)from);
        second = T.LoadSecond((ushort*)from);
    }
}
