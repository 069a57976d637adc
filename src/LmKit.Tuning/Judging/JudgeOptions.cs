using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>How answers are judged.</summary>
public sealed class JudgeOptions : RequestOptions
{
    /// <summary>The judge's name in journal and report; empty takes the client's default model.</summary>
    public string JudgeName { get; set; } = "";

    /// <summary>Seed of retries and of resampling. Default 0.</summary>
    public long Seed { get; set; }

    /// <summary>Sampling temperature of the judge. Default 0.</summary>
    public float? Temperature { get; set; } = 0;

    /// <summary>Most tokens of a judgment. Default 2048.</summary>
    [Range(1, int.MaxValue)]
    public int MaxOutputTokens { get; set; } = 2048;

    /// <summary>Answers are cut to this many characters before a judge sees them. Default 20,000.</summary>
    [Range(1, int.MaxValue)]
    public int MaxAnswerLength { get; set; } = 20_000;

    /// <summary>What the judge is to look at, put before the rules of the verdict. Default helpfulness, relevance, accuracy, depth.</summary>
    public string Criteria { get; set; } = "Judge how helpful, relevant, accurate and complete the answers are. Neither their order, nor their length, nor the names of their authors may count.";

    /// <summary>Resamples of the intervals. Default 1000.</summary>
    [Range(1, 1_000_000)]
    public int ResampleCount { get; set; } = 1000;

    /// <summary>Share of the resamples that an interval holds. Default 0.95.</summary>
    [Range(0.5, 0.9999)]
    public double Level { get; set; } = 0.95;
}
