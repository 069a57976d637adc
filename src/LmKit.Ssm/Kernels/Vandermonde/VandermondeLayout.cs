namespace LmKit;

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
