namespace LmKit.Fuzz;

/// <summary>What may come of a hostile case.</summary>
internal enum Expectation
{
    /// <summary>The reader refuses it by an exception of its own.</summary>
    Refused,

    /// <summary>It is legal, and is read.</summary>
    Value,

    /// <summary>It is legal, and costs so much that a reader may refuse it too.</summary>
    Either,
}
