namespace LmKit;

/// <summary>A run that stopped since too many of its items failed; what is finished is kept, and the run can go on.</summary>
/// <param name="failures">Failures among the last items.</param>
/// <param name="items">How many items that were.</param>
/// <param name="allowed">The share that is allowed.</param>
public sealed class RequestFailuresException(int failures, int items, double allowed)
    : Exception(FormattableString.Invariant($"{failures} of the last {items} items failed; MaxFailureRate allows {allowed:P0}. The journal names each failure; mend the cause and run again with RetriesFailed."))
{
    /// <summary>Failures among the last items.</summary>
    public int Failures { get; } = failures;

    /// <summary>How many items that were.</summary>
    public int Items { get; } = items;
}
