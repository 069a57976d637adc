namespace LmKit;

/// <summary>What resuming found.</summary>
/// <param name="Folder">The checkpoint that was taken.</param>
/// <param name="Step">Its step.</param>
/// <param name="Damaged">Newer checkpoints that could not be read and were passed over, newest first; empty when all is well.</param>
public sealed record ResumeReport(string Folder, long Step, IReadOnlyList<DamagedCheckpoint> Damaged);
