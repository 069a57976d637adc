using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>One document's result, a line of the journal and of the data set.</summary>
public sealed record DatasetRecord : IJournalRecord
{
    // Beyond it sums over a journal could overflow, and no teacher writes as much.
    private const long MostTokens = 1L << 40;

    /// <summary>The document's name.</summary>
    [JsonPropertyName("id"), JsonRequired]
    public string Id { get; init; } = "";

    /// <summary>Its place in the source.</summary>
    [JsonPropertyName("ordinal"), JsonRequired]
    public long Ordinal { get; init; }

    /// <summary>ok, filtered or failed.</summary>
    [JsonPropertyName("status"), JsonRequired]
    public string Status { get; init; } = "ok";

    /// <summary>The first half.</summary>
    [JsonPropertyName("prompt")]
    public string Prompt { get; init; } = "";

    /// <summary>The teacher's continuation.</summary>
    [JsonPropertyName("response")]
    public string Response { get; init; } = "";

    /// <summary>The document's own second half.</summary>
    [JsonPropertyName("reference")]
    public string Reference { get; init; } = "";

    /// <summary>Words of the prompt.</summary>
    [JsonPropertyName("prompt_words")]
    public int PromptWords { get; init; }

    /// <summary>Words of the document.</summary>
    [JsonPropertyName("total_words")]
    public int TotalWords { get; init; }

    /// <summary>Why the teacher stopped.</summary>
    [JsonPropertyName("finish_reason")]
    public string? FinishReason { get; init; }

    /// <summary>Tokens that the teacher read.</summary>
    [JsonPropertyName("input_tokens")]
    public long? InputTokens { get; init; }

    /// <summary>Tokens that the teacher wrote.</summary>
    [JsonPropertyName("output_tokens")]
    public long? OutputTokens { get; init; }

    /// <summary>The teacher's model.</summary>
    [JsonPropertyName("model")]
    public string? Model { get; init; }

    /// <summary>Requests made.</summary>
    [JsonPropertyName("attempts")]
    public int Attempts { get; init; }

    /// <summary>What it was charged at the prices that the options state, teacher and detector, with earlier tries of it.</summary>
    [JsonPropertyName("cost"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public double Cost { get; init; }

    /// <summary>Remarks that did not drop it.</summary>
    [JsonPropertyName("flags")]
    public IReadOnlyList<string> Flags { get; init; } = [];

    /// <summary>The rule or error that dropped it.</summary>
    [JsonPropertyName("reason")]
    public string? Reason { get; init; }

    /// <summary>Whether the response was cut off, so that its end is not to be learned.</summary>
    [JsonIgnore]
    public bool IsTruncated => Flags.Contains("truncated");

    /// <summary>Reads a data set that <see cref="NonInstructionalDataset"/> wrote, one record at a time.</summary>
    /// <param name="path">The file: one record a line.</param>
    /// <exception cref="DatasetException">There is no such file, or a line is no record; names its number.</exception>
    public static IEnumerable<DatasetRecord> ReadAll(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return JournalLines.Records<DatasetRecord>(path, "the line is no record of a data set");
    }

    /// <summary>What an arm makes of the record: the prompt, what is to be learned, and whether that was cut off.</summary>
    /// <param name="arm">The arm.</param>
    public (string Prompt, string Response, bool IsTruncated) Of(DatasetArm arm) => arm switch
    {
        DatasetArm.Teacher => (Prompt, Response, IsTruncated),
        DatasetArm.Original => (Prompt, Reference, false),
        DatasetArm.ResponseOnly => ("", Response, IsTruncated),
        DatasetArm.FirstHalfOnly => ("", Prompt, true),
        _ => throw new ArgumentOutOfRangeException(nameof(arm), arm, "There is no such arm."),
    };

    string? IJournalRecord.Fault =>
        Status is not ("ok" or "filtered" or "failed") ? $"its status is '{StrictJson.Shown(Status)}'"
        : Ordinal < 0 || PromptWords < 0 || TotalWords < 0 || Attempts < 0 ? "a number of it is negative"
        : InputTokens is < 0 or > MostTokens || OutputTokens is < 0 or > MostTokens ? $"it counts {InputTokens} and {OutputTokens} tokens"
        : Cost is >= 0 and <= 1e12 ? null : FormattableString.Invariant($"its cost is {Cost}");
}

/// <summary>Which parts of a record become an example: the method itself, and the arms that it is compared with.</summary>
public enum DatasetArm
{
    /// <summary>The first half, and the teacher's continuation: the method.</summary>
    Teacher,

    /// <summary>The first half, and the document's own second half: the control.</summary>
    Original,

    /// <summary>No prompt, and the teacher's continuation.</summary>
    ResponseOnly,

    /// <summary>No prompt, and the first half: plain further training on the documents.</summary>
    FirstHalfOnly,
}

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
