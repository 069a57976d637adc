using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>All that a head's step reads beside the token and what it carries, in the order in which it reads it.</summary>
/// <remarks>Per head: hd first taps, hd rows of the other taps, then A-bar, B-bar, the readout and D, filled up to whole cache lines.
/// The other taps are cut into vectors that cover places 1 to N - 1 of the keys; the last one ends with place N - 1, and where it
/// overlaps the one before it the taps are zeros. Fewer places than lanes leave no vectors: taps are then taken one by one.</remarks>
internal sealed class H3StepTables : IDisposable
{
    /// <summary>Numbers of a cache line.</summary>
    internal const long LineFloats = 16;

    internal H3StepTables(DiagonalStep diagonal, Tensor taps, long headDim)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (decay, input, readout, skip) = diagonal.Rows; // (H, 2n) each, (H, 1)
        var heads = decay.size(0);
        (HeadDim, ShiftDim, StateFloats) = (headDim, taps.size(1), decay.size(1));
        Width = new[] { SimdWidth.Bits, 256, 128 }.Select(bits => bits / (8 * sizeof(float)))
            .FirstOrDefault(lanes => lanes * 8 * sizeof(float) <= SimdWidth.Bits && StateFloats % lanes == 0 && ShiftDim > lanes, PortableLanes.Count);
        TapVectors = ShiftDim > Width ? (ShiftDim - 2 + Width) / Width : 0;
        var others = taps.narrow(1, 1, ShiftDim - 1); // (D, N - 1)
        if (TapVectors > 0)
        {
            var whole = (TapVectors - 1) * Width;
            others = cat([others.narrow(1, 0, whole), zeros(taps.size(0), TapVectors * Width - (ShiftDim - 1)), others.narrow(1, whole, ShiftDim - 1 - whole)], 1);
        }
        var table = cat([taps.narrow(1, 0, 1).reshape(heads, -1), others.reshape(heads, -1), decay, input, readout, skip], 1);
        Stride = (table.size(1) + LineFloats - 1) / LineFloats * LineFloats;
        Table = nn.functional.pad(table, [0, Stride - table.size(1)]).contiguous().DetachFromDisposeScope();
    }

    /// <summary>(H, stride).</summary>
    internal Tensor Table { get; }

    /// <summary>Numbers from head to head.</summary>
    internal long Stride { get; }

    /// <summary>Head width hd.</summary>
    internal long HeadDim { get; }

    /// <summary>Keys held N.</summary>
    internal long ShiftDim { get; }

    /// <summary>Numbers of a diagonal state, 2n.</summary>
    internal long StateFloats { get; }

    /// <summary>Lanes of the vectors that the tables are cut for.</summary>
    internal int Width { get; }

    /// <summary>Vectors of a channel's other taps.</summary>
    internal long TapVectors { get; }

    public void Dispose() => Table.Dispose();
}
