namespace LmKit.DiffusionText;

/// <summary>A finished student.</summary>
/// <param name="Transformer">Its network, with the average's weights.</param>
/// <param name="Ledger">What it cost.</param>
/// <param name="Steps">Steps taken.</param>
/// <param name="Reading">The guard's last reading, where there was a guard.</param>
internal sealed record Student(LanguageModel Transformer, CallLedger Ledger, long Steps, GuardReading? Reading);
