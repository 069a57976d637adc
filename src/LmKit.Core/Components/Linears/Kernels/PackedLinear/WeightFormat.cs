namespace LmKit;

/// <summary>How a weight's numbers are kept for inference.</summary>
public enum WeightFormat
{
    /// <summary>As they are, 4 bytes each.</summary>
    Full,

    /// <summary>Rounded to bfloat16, 2 bytes each: half the memory traffic, weights exact to 1 part in 256.</summary>
    BFloat16,
}
