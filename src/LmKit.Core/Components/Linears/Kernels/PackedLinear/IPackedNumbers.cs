namespace LmKit;

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
