using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>How a non-instructional data set is made.</summary>
public sealed class DatasetOptions
{
    /// <summary>Seed of sampling and of retries. Default 0.</summary>
    public long Seed { get; set; }

    /// <summary>Share of the documents that is used. Default 1.</summary>
    [Range(0.0, 1.0)]
    public double SampleRate { get; set; } = 1;

    /// <summary>Documents of fewer words are dropped. Default 64.</summary>
    [Range(2, int.MaxValue)]
    public int MinWords { get; set; } = 64;

    /// <summary>Documents are cut to this many words first. Default 4096.</summary>
    [Range(2, int.MaxValue)]
    public int MaxWords { get; set; } = 4096;

    /// <summary>Whether the cut moves to the nearest end of a sentence; the published method does not. Default false.</summary>
    public bool SnapsToSentence { get; set; }

    /// <summary>Further rules that drop a prompt: a name for the report, and a regular expression that finds what is not wanted
    /// (letter case does not matter, no backtracking). None by default.</summary>
    public Dictionary<string, string> PromptPatterns { get; set; } = [];

    /// <summary>What asks the teacher to continue; empty sends the half alone.</summary>
    public string SystemPrompt { get; set; } = "Continue the user's text. Write the continuation only, with no remark before or after it.";

    /// <summary>Sampling temperature; null for the teacher's own.</summary>
    public float? Temperature { get; set; }

    /// <summary>Most tokens of a continuation. Default 1024.</summary>
    [Range(1, int.MaxValue)]
    public int MaxOutputTokens { get; set; } = 1024;

    /// <summary>Requests at a time. Default 8.</summary>
    [Range(1, 4096)]
    public int MaxConcurrency { get; set; } = 8;

    /// <summary>Requests for one document before it counts as failed. Default 6.</summary>
    [Range(1, 100)]
    public int MaxAttempts { get; set; } = 6;

    /// <summary>Seconds that a request may take. Default 120.</summary>
    [Range(0.001, 86400.0)]
    public double RequestTimeoutSeconds { get; set; } = 120;

    /// <summary>Whether documents that failed in an earlier run are tried again. Default false.</summary>
    public bool RetriesFailed { get; set; }
}
