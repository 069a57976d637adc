namespace LmKit;

/// <summary>One reading of a distillation's guard.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Teacher">The teacher's samples at the guarded number of steps, measured once.</param>
/// <param name="Student">The student's, with its weight average.</param>
/// <param name="Verdict">Whether to go on.</param>
public sealed record GuardReading(long Step, SampleQuality Teacher, SampleQuality Student, GuardVerdict Verdict);
