using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>How a non-instructional data set is made.</summary>
public sealed class DatasetOptions : RequestOptions
{
    /// <summary>Seed of sampling, order and retries. Default 0.</summary>
    public long Seed { get; set; }

    /// <summary>Share of the documents that is used. Default 1.</summary>
    [Range(0.0, 1.0)]
    public double SampleRate { get; set; } = 1;

    /// <summary>How many documents are used, drawn from all; the source is then read twice. 0 for all, the default.</summary>
    [Range(0, int.MaxValue)]
    public int SampleCount { get; set; }

    /// <summary>Whether the data set has an order that the seed draws, instead of the source's. Default false.</summary>
    public bool IsShuffled { get; set; }

    /// <summary>Documents of fewer words are dropped. Default 64.</summary>
    [Range(2, int.MaxValue)]
    public int MinWords { get; set; } = 64;

    /// <summary>Documents are cut to this many words first. Default 4096.</summary>
    [Range(2, int.MaxValue)]
    public int MaxWords { get; set; } = 4096;

    /// <summary>Where documents are cut. Default in the middle, at a word, as published.</summary>
    public SplitOptions Split { get; set; } = new();

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

    /// <summary>Whether each request carries a seed of its document. Default false.</summary>
    public bool SendsSeed { get; set; }

    /// <summary>What the teacher, and the detector if there is one, ask for their work. Default nothing.</summary>
    public TokenPrice Price { get; set; } = new();

    /// <summary>Most that a folder's documents may cost over all its runs, by <see cref="Price"/>: no document starts whose answer, were
    /// it as long as <see cref="MaxOutputTokens"/> allows, could go beyond it. 0 for no bound, the default.</summary>
    /// <remarks>What a client charges for requests that it did not answer is unknown: one is charged with what it would have read, and those
    /// that a kill cut off, with nothing.</remarks>
    [Range(0.0, double.MaxValue)]
    public double MaxCost { get; set; }

    /// <summary>Records of a file of the data set. Default 100,000.</summary>
    [Range(1, int.MaxValue)]
    public int ShardLength { get; set; } = 100_000;
}

/// <summary>What tokens cost, in any currency.</summary>
public sealed class TokenPrice
{
    private const double Million = 1e6;

    /// <summary>Price of a million tokens read. Default 0.</summary>
    [Range(0.0, double.MaxValue)]
    public double InputPerMillion { get; set; }

    /// <summary>Price of a million tokens written. Default 0.</summary>
    [Range(0.0, double.MaxValue)]
    public double OutputPerMillion { get; set; }

    /// <summary>The price of a request.</summary>
    /// <param name="inputTokens">Tokens read.</param>
    /// <param name="outputTokens">Tokens written.</param>
    public double Of(double inputTokens, double outputTokens) => (inputTokens * InputPerMillion + outputTokens * OutputPerMillion) / Million;
}
