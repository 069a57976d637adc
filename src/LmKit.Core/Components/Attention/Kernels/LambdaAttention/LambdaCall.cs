namespace LmKit;

/// <summary>The memory and the sizes of one call of <see cref="LambdaAttention"/> on the CPU.</summary>
internal readonly unsafe struct LambdaCall
{
    /// <summary>Keys of a tile.</summary>
    internal const int KeyTile = 64;

    /// <summary>Rows B.</summary>
    internal int Rows { get; init; }

    /// <summary>Query heads H.</summary>
    internal int Heads { get; init; }

    /// <summary>Key heads Hkv.</summary>
    internal int KeyHeads { get; init; }

    /// <summary>Queries L.</summary>
    internal int Length { get; init; }

    /// <summary>Keys M.</summary>
    internal int Held { get; init; }

    /// <summary>Far keys F.</summary>
    internal int Far { get; init; }

    /// <summary>Width P of a head.</summary>
    internal int HeadDim { get; init; }

    /// <summary>The same as whole vectors.</summary>
    internal int Width { get; init; }

    /// <summary>1/sqrt(P).</summary>
    internal float Scale { get; init; }

    /// <summary>The bound of the scores; 0 for none.</summary>
    internal float SoftCap { get; init; }

    /// <summary>Near queries (B, H, L, P).</summary>
    internal float* Queries { get; init; }

    /// <summary>Far queries (B, H, L, P).</summary>
    internal float* FarQueries { get; init; }

    /// <summary>Near keys in turned tiles (B, Hkv, tiles, P, 64).</summary>
    internal float* Keys { get; init; }

    /// <summary>Far keys, likewise.</summary>
    internal float* FarKeys { get; init; }

    /// <summary>Values (B, Hkv, M, width).</summary>
    internal float* Values { get; init; }

    /// <summary>A score (H) that joins every softmax; null for none.</summary>
    internal float* Sinks { get; init; }

    /// <summary>ALiBi's slope of each head; null for none.</summary>
    internal float[]? Slopes { get; init; }

    /// <summary>Outputs, the log of each softmax's sum behind them where it is asked for.</summary>
    internal float* Outputs { get; init; }

    /// <summary>From one query's outputs to the next one's.</summary>
    internal int OutputStride { get; init; }

    /// <summary>What the tensors came from.</summary>
    internal LambdaParts Parts { get; init; }

    /// <summary>Tiles of near keys of a head.</summary>
    internal int KeyTiles => (Held + KeyTile - 1) / KeyTile;

    /// <summary>Tiles of far keys of a head.</summary>
    internal int FarTiles => (Far + KeyTile - 1) / KeyTile;

    /// <summary>The key head that a query head reads.</summary>
    internal int KeyHead(int head) => head / (Heads / KeyHeads);
}
