using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>One document's result, a line of the journal and of the data set.</summary>
public sealed record DatasetRecord
{
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

    /// <summary>Remarks that did not drop it.</summary>
    [JsonPropertyName("flags")]
    public IReadOnlyList<string> Flags { get; init; } = [];

    /// <summary>The rule or error that dropped it.</summary>
    [JsonPropertyName("reason")]
    public string? Reason { get; init; }

    /// <summary>Whether the response was cut off, so that its end is not to be learned.</summary>
    [JsonIgnore]
    public bool IsTruncated => Flags.Contains("truncated");
}
