namespace LmKit;

/// <summary>The places in an IOI prompt that a circuit reads.</summary>
public enum IoiPosition
{
    /// <summary>The first name that is introduced once and never repeated.</summary>
    Io,

    /// <summary>The subject's first mention.</summary>
    S1,

    /// <summary>The token after it.</summary>
    AfterS1,

    /// <summary>The subject's second mention.</summary>
    S2,

    /// <summary>The last token, where the answer is predicted.</summary>
    End,
}
