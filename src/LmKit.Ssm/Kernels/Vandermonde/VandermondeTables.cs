using static TorchSharp.torch;

namespace LmKit;

/// <summary>Makes the tables of powers that state passing reads, in float64 up to the last rounding.</summary>
internal static unsafe class VandermondeTables
{
    /// <summary>Makes them.</summary>
    /// <param name="diagonal">The recurrence.</param>
    /// <returns>(H, <see cref="VandermondeLayout.Size"/>) float32, in the caller's scope.</returns>
    internal static Tensor Make(DiscreteDiagonal diagonal)
    {
        using var scope = NewDisposeScope();
        var (heads, states) = (diagonal.LogA.Real.size(0), diagonal.LogA.Real.size(1));
        var layout = new VandermondeLayout(states);
        var tables = zeros([heads, layout.Size], ScalarType.Float32);
        var decay = diagonal.LogA.Exp();
        var readout = diagonal.ReadoutC.Times(decay);
        var parts = stack([decay.Real, decay.Imaginary, readout.Real, readout.Imaginary, diagonal.InputB.Real, diagonal.InputB.Imaginary]).contiguous(); // (6, H, n)
        using var from = new TensorMemory<double>(parts, nameof(diagonal));
        using var to = new TensorMemory<float>(tables, nameof(tables));
        var stride = heads * states;
        for (long head = 0; head < heads; head++)
        {
            for (var state = 0; state < states; state++)
                Fill(layout, from.Start + head * states + state, stride, to.Start + head * layout.Size, state);
        }
        return tables.MoveToOuterDisposeScope();
    }

    private static void Fill(VandermondeLayout layout, double* from, long stride, float* table, int state)
    {
        var (re, im) = (from[0], from[stride]);
        var (powerRe, powerIm) = (1.0, 0.0);
        for (var token = 0; token < VandermondeLayout.Block; token++)
        {
            Put(table + VandermondeLayout.Weights + (VandermondeLayout.Block - 1 - token) * layout.Width, powerRe, powerIm);
            table[layout.Basis + state * VandermondeLayout.Block + token] = (float)powerRe;
            table[layout.Basis + (layout.Lanes + state) * VandermondeLayout.Block + token] = (float)-powerIm;
            (powerRe, powerIm) = (powerRe * re - powerIm * im, powerRe * im + powerIm * re);
        }
        var (blockRe, blockIm) = (powerRe, powerIm);
        (powerRe, powerIm) = (1.0, 0.0);
        for (var block = 0; block <= VandermondeLayout.Blocks; block++)
        {
            Put(table + layout.Far + block * layout.Width, powerRe, powerIm);
            (powerRe, powerIm) = (powerRe * blockRe - powerIm * blockIm, powerRe * blockIm + powerIm * blockRe);
        }
        Put(table + layout.Readout, 2 * from[2 * stride], 2 * from[3 * stride]);
        Put(table + layout.Input, from[4 * stride], from[5 * stride]);

        void Put(float* row, double real, double imaginary)
        {
            row[state] = (float)real;
            row[layout.Lanes + state] = (float)imaginary;
        }
    }
}

/// <summary>Where the tables of one head lie behind each other, in numbers; states are padded to whole vectors, re apart from im.</summary>
/// <param name="stateCount">States n of a head.</param>
internal readonly struct VandermondeLayout(long stateCount)
{
    /// <summary>Tokens whose powers stand in a table: a block.</summary>
    internal const int Block = 32;

    /// <summary>Blocks of a span; longer sequences go from span to span.</summary>
    internal const int Blocks = 32;

    /// <summary>e^(lambda (Block - 1 - b)), token by token: (Block, Width).</summary>
    internal const int Weights = 0;

    private const int WidestVector = 16;

    internal int States { get; } = (int)stateCount;

    /// <summary>Places of a real part.</summary>
    internal int Lanes { get; } = (int)(stateCount + WidestVector - 1) / WidestVector * WidestVector;

    /// <summary>Places of both parts.</summary>
    internal int Width => 2 * Lanes;

    /// <summary>Re e^(lambda b), then -Im, state by state: (Width, Block).</summary>
    internal int Basis => Weights + Block * Width;

    /// <summary>e^(lambda Block a): (Blocks + 1, Width).</summary>
    internal int Far => Basis + Block * Width;

    /// <summary>2 c e^lambda: (Width).</summary>
    internal int Readout => Far + (Blocks + 1) * Width;

    /// <summary>b: (Width).</summary>
    internal int Input => Readout + Width;

    /// <summary>All of them.</summary>
    internal int Size => Input + Width;
}
