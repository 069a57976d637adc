namespace LmKit.Conformance;

/// <summary>How the bytes of a mixer's carried state grow with the tokens taken in.</summary>
public enum StateGrowth
{
    /// <summary>Always the same, from the first token on.</summary>
    Constant,

    /// <summary>Grows to a bound and stays below it.</summary>
    Bounded,

    /// <summary>By the same amount for each token.</summary>
    Linear,
}
