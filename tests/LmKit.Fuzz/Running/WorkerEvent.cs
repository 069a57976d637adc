namespace LmKit.Fuzz;

/// <summary>A case that a worker tells its parent of.</summary>
/// <param name="Index">The case's number in its run.</param>
/// <param name="Reading">What came of it.</param>
internal sealed record WorkerEvent(long Index, CaseReading Reading);
