namespace LmKit;

/// <summary>The memory and the sizes of one call of <see cref="CachedAttention"/>.</summary>
internal readonly unsafe struct CachedStep
{
    /// <summary>Rows B.</summary>
    internal int Rows { get; init; }

    /// <summary>New tokens L.</summary>
    internal int Tokens { get; init; }

    /// <summary>Query heads H.</summary>
    internal int Heads { get; init; }

    /// <summary>Key heads Hkv.</summary>
    internal int KeyHeads { get; init; }

    /// <summary>Head width P.</summary>
    internal int HeadDim { get; init; }

    /// <summary>Slots from one key head to the next.</summary>
    internal long Capacity { get; init; }

    /// <summary>Keys (B, Hkv, capacity, P), turned where positions are rotary.</summary>
    internal float* Keys { get; init; }

    /// <summary>Values, laid out alike.</summary>
    internal float* Values { get; init; }

    /// <summary>Keys of a cache in int8, laid out alike; null for one in float32, whose <see cref="Keys"/> are then not null.</summary>
    internal sbyte* CoarseKeys { get; init; }

    /// <summary>Values of a cache in int8, likewise.</summary>
    internal sbyte* CoarseValues { get; init; }

    /// <summary>What a slot's coarse key is multiplied by (B, Hkv, capacity).</summary>
    internal float* KeyScales { get; init; }

    /// <summary>The same of values.</summary>
    internal float* ValueScales { get; init; }

    /// <summary>Queries (B, L, H, P) over sqrt(P), before position encoding.</summary>
    internal float* Plain { get; init; }

    /// <summary>The same, turned.</summary>
    internal float* Turned { get; init; }

    /// <summary>Phases of position s + D for the far keys of each token, all far keys of one token side by side.</summary>
    internal float* FarPhases { get; init; }

    /// <summary>Where a token's far phases begin, counted in rows.</summary>
    internal int[] FarStarts { get; init; }

    /// <summary>The outputs (B, L, H, P).</summary>
    internal float* Outputs { get; init; }

    /// <summary>What each token sees; one row's for all where the rows are alike.</summary>
    internal SeenKeys[] Seen { get; init; }

    /// <summary>Positions and documents of the slots.</summary>
    internal KeySlots Slots { get; init; }

    /// <summary>The mask.</summary>
    internal MaskReach Reach { get; init; }

    /// <summary>The bound of the scores; 0 for none.</summary>
    internal float SoftCap { get; init; }

    /// <summary>A score (H) that joins every softmax; null for none.</summary>
    internal float* Sinks { get; init; }

    /// <summary>The rotary encoding, if there is one.</summary>
    internal RotaryEmbedding? Rotary { get; init; }

    /// <summary>ALiBi, if that is the encoding.</summary>
    internal AlibiEncoding? Alibi { get; init; }
}
