namespace LmKit;

/// <summary>What a judge said of one answer or of a pair, a line of the journal.</summary>
public sealed record Judgment
{
    /// <summary>Judge, template, question, models and order: the same key is judged once.</summary>
    public string Key { get; init; } = "";

    /// <summary>The judge's name.</summary>
    public string Judge { get; init; } = "";

    /// <summary>The question's name.</summary>
    public string Question { get; init; } = "";

    /// <summary>The question's category.</summary>
    public string Category { get; init; } = "";

    /// <summary>The model whose answer is graded, or is shown as A.</summary>
    public string ModelA { get; init; } = "";

    /// <summary>The model whose answer is shown as B; empty for a grade.</summary>
    public string ModelB { get; init; } = "";

    /// <summary>ok, invalid (no one verdict could be read, twice) or failed (no answer).</summary>
    public string Status { get; init; } = "ok";

    /// <summary>A&gt;&gt;B, A&gt;B, A=B, B&gt;A or B&gt;&gt;A; null for a grade, and where there is none.</summary>
    public string? Verdict { get; init; }

    /// <summary>The grade from 1 to 10; null for a pair, and where there is none.</summary>
    public double? Grade { get; init; }

    /// <summary>The judge's words, which are data.</summary>
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
}
