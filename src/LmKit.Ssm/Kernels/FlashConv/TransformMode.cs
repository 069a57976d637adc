namespace LmKit;

/// <summary>What a right-angle transform does in one walk over its tree.</summary>
internal enum TransformMode
{
    /// <summary>To the spectrum.</summary>
    Forward,

    /// <summary>Back from it, times the length.</summary>
    Inverse,

    /// <summary>To the spectrum, times another spectrum, and back, leaf by leaf.</summary>
    Convolve,

    /// <summary>To the spectrum, where it is correlated with two others as <see cref="CorrelationTerms"/> says, and back, leaf by leaf.</summary>
    Correlate,
}
