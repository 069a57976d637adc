using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>What a judge said of one answer or of a pair, a line of the journal.</summary>
public sealed record Judgment : IJournalRecord
{
    /// <summary>Judge, question, models in their order, and a hash of all that the judge is shown and of its settings: the same key is
    /// judged once, a changed answer anew.</summary>
    [JsonRequired]
    public string Key { get; init; } = "";

    /// <summary>The judge's name.</summary>
    [JsonRequired]
    public string Judge { get; init; } = "";

    /// <summary>The question's name.</summary>
    [JsonRequired]
    public string Question { get; init; } = "";

    /// <summary>The question's category.</summary>
    public string Category { get; init; } = "";

    /// <summary>The model whose answer is graded, or is shown as A.</summary>
    [JsonRequired]
    public string ModelA { get; init; } = "";

    /// <summary>The model whose answer is shown as B; empty for a grade.</summary>
    [JsonRequired]
    public string ModelB { get; init; } = "";

    /// <summary>ok, invalid (no one verdict could be read, twice) or failed (no answer).</summary>
    [JsonRequired]
    public string Status { get; init; } = "ok";

    /// <summary>A&gt;&gt;B, A&gt;B, A=B, B&gt;A or B&gt;&gt;A; null for a grade, and where there is none.</summary>
    public string? Verdict { get; init; }

    /// <summary>The grade from 1 to 10; null for a pair, and where there is none.</summary>
    public double? Grade { get; init; }

    /// <summary>The judge's words, which are data.</summary>
    [JsonRequired]
    public string Text { get; init; } = "";

    /// <summary>Remarks: injection_a, injection_b, cut_a, cut_b, repeated.</summary>
    public IReadOnlyList<string> Flags { get; init; } = [];

    /// <summary>Tokens that the judge read.</summary>
    public long InputTokens { get; init; }

    /// <summary>Tokens that the judge wrote.</summary>
    public long OutputTokens { get; init; }

    /// <summary>Requests made.</summary>
    public int Attempts { get; init; }

    /// <summary>Why it failed.</summary>
    public string? Reason { get; init; }

    /// <summary>Reads the judgments of a folder that <see cref="PairwiseJudge"/> or <see cref="SingleJudge"/> wrote, such as for
    /// <see cref="JudgeAgreement"/>.</summary>
    /// <param name="folder">The folder.</param>
    /// <returns>The latest judgment of each judge, question and models in their order.</returns>
    /// <exception cref="DatasetException">There is no journal of judgments, or a line of it is none; names its number.</exception>
    public static IReadOnlyList<Judgment> ReadAll(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        var path = Path.Combine(folder, JudgeCalls.JournalName);
        if (!Path.Exists(path))
            throw new DatasetException(path, "there is no journal of judgments; give the folder of a judge's run.");
        var latest = new OrderedDictionary<(string, string, string, string), Judgment>();
        foreach (var judgment in JournalLines.Records<Judgment>(path, "the line is no judgment. Go on with the run, which mends a last line that is torn"))
            latest[(judgment.Judge, judgment.Question, judgment.ModelA, judgment.ModelB)] = judgment;
        return [.. latest.Values];
    }

    string? IJournalRecord.Fault =>
        Status is not ("ok" or "invalid" or "failed") ? $"its status is '{StrictJson.Shown(Status)}'"
        : Grade is not (null or (>= 1 and <= 10)) ? FormattableString.Invariant($"its grade is {Grade}; grades are 1 to 10")
        : InputTokens is < 0 or > 1L << 40 || OutputTokens is < 0 or > 1L << 40 || Attempts < 0 ? $"it counts {InputTokens} and {OutputTokens} tokens in {Attempts} requests"
        : null;
}
