namespace LmKit;

/// <summary>What a run remembers of a finished document; the document itself stays in the journal.</summary>
/// <param name="Ordinal">Its place in the source.</param>
/// <param name="Status">ok, filtered or failed.</param>
/// <param name="Reason">Why it was dropped.</param>
/// <param name="PromptHash">A hash of its prompt, or null where there is none.</param>
/// <param name="InputTokens">Tokens read.</param>
/// <param name="OutputTokens">Tokens written.</param>
/// <param name="WasAsked">Whether it reached the teacher.</param>
/// <param name="IsFlagged">Whether the detector took it for an instruction.</param>
/// <param name="IsUndetected">Whether the detector gave no answer that can be read.</param>
/// <param name="Cost">What it was charged.</param>
internal readonly record struct DatasetEntry(long Ordinal, string Status, string? Reason, UInt128? PromptHash, long InputTokens, long OutputTokens, bool WasAsked, bool IsFlagged, bool IsUndetected, double Cost)
{
    internal static (string Key, DatasetEntry Entry) Of(DatasetRecord record) => (
        record.Id,
        new DatasetEntry(
            record.Ordinal,
            string.Intern(record.Status),
            record.Reason is null ? null : string.Intern(record.Reason),
            record.Prompt.Length == 0 ? null : DocumentKey.OfText(record.Prompt),
            record.InputTokens ?? 0,
            record.OutputTokens ?? 0,
            record.Attempts > 0,
            record.Flags.Contains(InstructionDetector.Flag),
            record.Flags.Contains(InstructionDetector.Undetected),
            record.Cost));
}
