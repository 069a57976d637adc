namespace LmKit;

/// <summary>Sixteen numbers side by side, in whatever registers the processor has.</summary>
/// <typeparam name="TSelf">The implementing type.</typeparam>
internal unsafe interface ILanes<TSelf>
    where TSelf : struct, ILanes<TSelf>
{
    /// <summary>How many numbers there are.</summary>
    const int Count = 16;

    /// <summary>Sixteen zeros.</summary>
    static abstract TSelf Zero { get; }

    /// <summary>Reads sixteen numbers.</summary>
    static abstract TSelf Load(float* source);

    /// <summary>Reads sixteen pairs of bfloat16 numbers and gives the first of each.</summary>
    static abstract TSelf LoadFirst(ushort* source);

    /// <summary>Reads sixteen pairs of bfloat16 numbers and gives the second of each.</summary>
    static abstract TSelf LoadSecond(ushort* source);

    /// <summary>weights x factor + sum, one rounding where the processor can.</summary>
    static abstract TSelf MultiplyAdd(TSelf weights, float factor, TSelf sum);

    /// <summary>The sum of two.</summary>
    static abstract TSelf Add(TSelf left, TSelf right);

    /// <summary>Writes sixteen numbers.</summary>
    void Store(float* target);
}
