using System.Buffers;
using System.Globalization;

namespace LmKit;

/// <summary>Reads verdicts out of judges' answers: strictly, or as the published harnesses do.</summary>
/// <remarks>The strict form takes a verdict only if exactly one distinct one stands in double brackets, so a quoted or injected second
/// one makes the answer invalid instead of deciding it. The work is in proportion to the answer's length.</remarks>
public static class VerdictParser
{
    private const int LongestNumber = 32;
    private static readonly SearchValues<char> Numerals = SearchValues.Create("0123456789.");
    private static readonly string[] PairLabels = ["A", "B", "C"];
    private static readonly string[] ArenaLabels = ["A>>B", "A>B", "A=B", "B>A", "B>>A"];

    /// <summary>The one pairwise verdict A, B or C (a tie), or null.</summary>
    /// <param name="judgment">The judge's answer.</param>
    /// <param name="nonce">Stands before the label with a colon in valid verdicts; null for none.</param>
    public static string? StrictPair(string judgment, string? nonce = null) => Strict(judgment, PairLabels, nonce);

    /// <summary>The one graded pairwise verdict A&gt;&gt;B, A&gt;B, A=B, B&gt;A or B&gt;&gt;A, or null.</summary>
    /// <inheritdoc cref="StrictPair"/>
    public static string? StrictArena(string judgment, string? nonce = null) => Strict(judgment, ArenaLabels, nonce);

    /// <summary>The one rating from 1 to 10, or null.</summary>
    /// <inheritdoc cref="StrictPair"/>
    public static double? StrictRating(string judgment, string? nonce = null)
    {
        var found = Bracketed(judgment, nonce)
            .Select(text => double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var rating) ? rating : double.NaN)
            .Where(rating => rating is >= 1 and <= 10)
            .Distinct()
            .ToArray();
        return found.Length == 1 ? found[0] : null;
    }

    /// <summary>MT-Bench's pairwise reading: the first of [[A]], [[B]], [[C]] that stands anywhere; "A", "B", "tie" or "error".</summary>
    public static string MtBenchPair(string judgment)
    {
        ArgumentNullException.ThrowIfNull(judgment);
        return judgment.Contains("[[A]]", StringComparison.Ordinal) ? "A"
            : judgment.Contains("[[B]]", StringComparison.Ordinal) ? "B"
            : judgment.Contains("[[C]]", StringComparison.Ordinal) ? "tie" : "error";
    }

    /// <summary>MT-Bench's single rating: the first number in double, else in single brackets; -1 for none, and for one that is not
    /// from 1 to 10.</summary>
    public static double MtBenchSingle(string judgment)
    {
        ArgumentNullException.ThrowIfNull(judgment);
        foreach (var depth in new[] { 2, 1 })
        {
            if (Bracketed(judgment, depth).FirstOrDefault(IsNumber) is { } found)
                return found.Length <= LongestNumber && double.Parse(found, CultureInfo.InvariantCulture) is >= 1 and <= 10 and var rating ? rating : -1;
        }
        return -1;
    }

    /// <summary>Arena-Hard's reading: the last verdict in double brackets, else the last in single ones; null for none.</summary>
    public static string? Arena(string judgment)
    {
        ArgumentNullException.ThrowIfNull(judgment);
        var upper = judgment.ToUpperInvariant();
        foreach (var depth in new[] { 2, 1 })
        {
            if (Bracketed(upper, depth).LastOrDefault(text => text.Length > 0 && text.AsSpan().IndexOfAnyExcept("AB<>=") < 0) is { } found)
                return found;
        }
        return null;
    }

    private static string? Strict(string judgment, string[] labels, string? nonce)
    {
        var found = Bracketed(judgment, nonce).Select(text => text.ToUpperInvariant()).Where(labels.Contains).Distinct().ToArray();
        return found.Length == 1 ? found[0] : null;
    }

    private static IEnumerable<string> Bracketed(string judgment, string? nonce)
    {
        ArgumentNullException.ThrowIfNull(judgment);
        foreach (var inside in Bracketed(judgment, 2))
        {
            var text = inside.Trim();
            if (nonce is null)
                yield return text;
            else if (text.StartsWith(nonce + ":", StringComparison.Ordinal))
                yield return text[(nonce.Length + 1)..].Trim();
        }
    }

    // What stands, without brackets in it, between so many opening and as many closing ones.
    private static IEnumerable<string> Bracketed(string judgment, int depth)
    {
        var (opening, closing) = (new string('[', depth), new string(']', depth));
        for (var start = 0; (start = judgment.IndexOf(opening, start, StringComparison.Ordinal)) >= 0;)
        {
            var inside = start + depth;
            var end = judgment.AsSpan(inside).IndexOfAny('[', ']');
            if (end < 0)
                yield break;
            if (judgment.AsSpan(inside + end).StartsWith(closing))
            {
                yield return judgment.Substring(inside, end);
                start = inside + end + depth;
            }
            else
            {
                start = judgment[inside + end] == '[' ? Math.Max(start + 1, inside + end - depth + 1) : inside + end;
            }
        }
    }

    // Digits, with a point after the first of them.
    private static bool IsNumber(string text) =>
        text.Length > 0 && char.IsAsciiDigit(text[0]) && text.AsSpan().IndexOfAnyExcept(Numerals) < 0 && text.IndexOf('.', StringComparison.Ordinal) == text.LastIndexOf('.');
}

/// <summary>Scores of graded pairwise verdicts from two games with swapped places.</summary>
public static class ArenaScores
{
    private const int StrongWeight = 3;

    /// <summary>The model's scores: 1 for a win, 0 for a loss, 1/2 for a tie; strong verdicts count three times.</summary>
    /// <param name="first">The verdict with the baseline shown as A.</param>
    /// <param name="second">The verdict with the model shown as A.</param>
    /// <returns>The second game's scores and then the first's; empty when a game has no verdict.</returns>
    public static IReadOnlyList<double> Of(string? first, string? second) =>
        first is null || second is null ? [] : [.. One(second), .. One(first).Select(score => 1 - score)];

    // Scores of the model that is shown as A.
    private static IEnumerable<double> One(string verdict) => verdict switch
    {
        "A>>B" => Enumerable.Repeat(1.0, StrongWeight),
        "A>B" => [1],
        "A=B" => [0.5],
        "B>A" => [0],
        "B>>A" => Enumerable.Repeat(0.0, StrongWeight),
        _ => throw new ArgumentException($"'{verdict}' is no verdict.", nameof(verdict)),
    };
}
